#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model behind HTTP, standard library only: POST an array of rows, get an
array of scores. Prints the port it listens on.

The model is a logistic regression over amount, hour and age.
"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import exp

WEIGHTS, BIAS = (0.004, -0.1, -0.02), -1.0


def score(row):
    total = BIAS + sum(w * x for w, x in zip(WEIGHTS, row))
    return round(1 / (1 + exp(-total)), 3)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps([score(row) for row in rows]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
