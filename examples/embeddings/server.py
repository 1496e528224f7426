#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for an embedding server, standard library only: POST
/v1/embeddings as OpenAI has it. Prints the port it listens on.

A vector tells how much of the text is vowels, consonants and blanks.
"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def embed(text):
    vowels = sum(c in "aeiou" for c in text.lower())
    blanks = text.count(" ")
    parts = vowels, len(text) - vowels - blanks, blanks
    return [round(part / len(text), 3) for part in parts]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = [{"object": "embedding", "index": index, "embedding": embed(text)}
                for index, text in enumerate(request["input"])]
        body = json.dumps({"object": "list", "model": request["model"],
                           "data": data}).encode()
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
