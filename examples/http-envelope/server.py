#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A batch function as an HTTP server on a unix socket, standard library only.

usage: server.py SOCKET. A request is a JSON array of envelopes, one a record:
{"topic","partition","offset","timestamp","key","headers","value"}. The answer
is an array of as many results; {"error":{"message":…,"retryable":false}} in
place of a result fails that record alone.
"""
import json
import socketserver
import sys
from http.server import BaseHTTPRequestHandler


def score(record):
    value = record["value"]
    if "amount" not in value:
        return {"error": {"message": "no amount", "retryable": False}}
    return {"key": record["key"], "is_large": value["amount"] > 1000}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self):
        records = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps([score(record) for record in records]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *words):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    with Server(sys.argv[1], Handler) as server:
        server.serve_forever()
