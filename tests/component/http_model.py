# SPDX-License-Identifier: Apache-2.0
"""A model server (tests/support/model-server.py) for the tests of the function
"http", and what it makes of their records."""
import json
import os
import subprocess
import sys
import urllib.request

from http_try import run_tests, try_records

SOURCE = os.environ["top_srcdir"]
SERVER = os.path.join(SOURCE, "tests/support/model-server.py")


class Server:
    def __init__(self, *words):
        self.process = subprocess.Popen([sys.executable, SERVER, *words],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = "http://127.0.0.1:%d" % self.port

    def stats(self):
        with urllib.request.urlopen(self.url + "/stats") as reply:
            return json.load(reply)

    def stop(self):
        self.process.kill()
        self.process.wait()


def run(options, values, binding=()):
    """What became of each value: (outcome, value or reason), and the command."""
    records = [value if isinstance(value, dict) else {"value": value} for value in values]
    outcomes, done = try_records(options, records, binding)
    return [one and (one["outcome"], one.get("value", one.get("reason")))
            for one in outcomes], done


def values_of(options, values, **more):
    """Every record must have an output: their values."""
    outcomes, done = run(options, values, **more)
    assert all(o and o[0] == "value" for o in outcomes), (outcomes, done.stderr)
    return [o[1] for o in outcomes]


def parsed(found):
    return [json.loads(x) if isinstance(x, str) else x for x in found]


def main():
    """Runs the tests, each with the one server that they share."""
    server = Server()
    status = run_tests(server)
    server.stop()
    return status
