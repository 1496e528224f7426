#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model server as small as one can be: the Open Inference Protocol (V2)
over HTTP, and one model, "upper", which answers text with upper-case text.

It stands for Triton, KServe or MLServer; the Python standard library is all
that it needs.

    model.py [PORT]      serves (default 8000)
    model.py --check     exits with 0 if the server on port 8000 is ready
"""
import json
import signal
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METADATA = {
    "name": "upper",
    "platform": "python",
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
    "outputs": [{"name": "upper", "datatype": "BYTES", "shape": [-1]}],
}
# What a call costs, however many records are in it: that is what batches save.
CALL_S, RECORD_S = 0.010, 0.0001


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path.startswith("/v2/health/") or self.path.endswith("/ready"):
            self.answer(200, {})
        elif self.path == "/v2/models/upper":
            self.answer(200, METADATA)
        else:
            self.answer(404, {"error": f"found {self.path}; wanted "
                                       "/v2/models/upper"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v2/models/upper/infer":
            self.answer(404, {"error": f"found {self.path}; wanted "
                                       "/v2/models/upper/infer"})
            return
        try:
            request = json.loads(body)
            texts = request["inputs"][0]["data"]
            upper = [text.upper() for text in texts]
        except (ValueError, KeyError, IndexError, AttributeError) as error:
            self.answer(400, {"error": f"not a V2 request: {error!r}"})
            return
        time.sleep(CALL_S + RECORD_S * len(upper))
        self.answer(200, {
            "model_name": "upper", "id": request.get("id", ""),
            "outputs": [{"name": "upper", "datatype": "BYTES",
                         "shape": [len(upper)], "data": upper}]})

    def log_message(self, *_):
        pass


def main(words):
    if words == ["--check"]:
        urllib.request.urlopen("http://127.0.0.1:8000/v2/health/ready",
                               timeout=4).close()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(words[0]) if words else 8000
    ThreadingHTTPServer(("", port), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
