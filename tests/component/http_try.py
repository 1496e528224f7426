# SPDX-License-Identifier: Apache-2.0
"""The tests of the function "http", and the command that each of them runs:
`kabridge try`, whose engine, retries and halving are those of a running bridge.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

KABRIDGE = os.path.join(os.environ["top_builddir"], "kabridge")
ROOT = tempfile.mkdtemp(prefix="kabridge-http-")
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def same(found, wanted):
    assert found == wanted, "found %r\nwanted %r" % (found, wanted)


def configure(options, binding=()):
    """Writes the function's options and others of the binding; the path."""
    lines = ["[kafka]", "bootstrap.servers = 127.0.0.1:1", "[binding b]", "input.topics = in",
             "output.topic = out", "function = http", "on.failure = dlq",
             "dead.letter.topic = letters"]
    # One batch of all that is given, however it comes in.
    settings = {"retry.backoff": "1ms", "retry.backoff.max": "20ms", "batch.period": "never"}
    settings.update({"function." + k: v for k, v in options.items()})
    settings.update(binding)
    path = os.path.join(ROOT, "conf")
    with open(path, "w") as out:
        out.write("\n".join(lines + ["%s = %s" % pair for pair in settings.items()]) + "\n")
    return path


def try_records(options, records, binding=(), **environment):
    """What the command says of each record, None if nothing; and the command."""
    done = subprocess.run([KABRIDGE, "try", "--json", configure(options, binding)],
                          input="".join(json.dumps(record) + "\n" for record in records),
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    outcomes = {}
    for line in map(json.loads, done.stdout.splitlines()):
        if line["outcome"] != "retry":
            outcomes[line["line"]] = line
    return [outcomes.get(i + 1) for i in range(len(records))], done


def run_tests(*words, seconds=0):
    """Calls the tests that the command line names, or all, with these words.
    seconds: a test that hangs for so long is ended, and all with it."""
    chosen = [t for t in TESTS if len(sys.argv) < 2 or t.__name__ in sys.argv[1:]]
    n_failed = 0
    for function in chosen:
        began = time.monotonic()
        signal.alarm(seconds)
        try:
            function(*words)
            print("ok %s (%.1f s)" % (function.__name__, time.monotonic() - began), flush=True)
        except Exception:  # noqa: every test is tried
            n_failed += 1
            print("not ok %s" % function.__name__, flush=True)
            traceback.print_exc()
    return 1 if n_failed else 0
