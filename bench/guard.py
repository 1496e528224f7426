# SPDX-License-Identifier: Apache-2.0
"""bench/guard.py: has a record become dearer?

Counts with valgrind's callgrind, which other load on the machine does not
change, the instructions that a record costs the thread that handles it: the
binding's loop, or the bare loop. Its librdkafka calls are in it, librdkafka's
own threads are not: they do the same for both, and spin while they wait for a
broker that is busy. Each subject runs twice, over fewer and over more records:
the difference has no start and no stop in it.
"""
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "kafka"))

from broker import Broker  # noqa: E402
from harness import BUILD, Kit  # noqa: E402

FEW, MANY = 15000, 45000
SIZE = 100

# subject, options of the binding (None: the bare loop), the function that only
# the thread to count calls, largest ratio of its instructions a record to those
# of the bare loop
SUBJECTS = (
    ("bare loop", None, "main", 1.0),
    ("kabridge", {}, "kab_engine_advance", 1.8),
    ("kabridge, no headers", {"output_headers": "drop"},
     "kab_engine_advance", 1.75),
    # Few transactions: how many there are is a matter of time.
    ("kabridge, exactly-once",
     {"delivery": "exactly-once", "transaction_interval": "1s"},
     "kab_engine_advance", 2.0),
)


def program(name):
    """The program itself; what stands in build/ may be a wrapper of it."""
    real = BUILD / ".libs" / name
    return real if real.exists() else BUILD / name


def command(kit, source, options):
    sink = kit.topic(8)
    group = f"group-{sink}"
    if options is None:
        return group, [program("bench-floor"),
                       f"brokers={kit.broker.address}", f"input={source}",
                       f"output={sink}", f"group={group}"]
    bridge = kit.bridge(source, sink, f"guard-{sink}",
                        function="identity", group=group,
                        output_partition="same", bridge={}, **options)
    return group, [program("kabridge"), "run", bridge.config_path]


def instructions_of(log, function):
    """Of the thread that calls the function, from callgrind's files."""
    for path in log.parent.glob(f"{log.name}-*"):
        text = path.read_text()
        if re.search(rf"^c?fn=\(\d+\) {function}$", text, re.MULTILINE):
            return int(re.search(r"^totals: (\d+)", text, re.MULTILINE)[1])
    raise RuntimeError(f"no thread calls {function}: see {log}")


def count(kit, source, options, function, records):
    """Instructions that it takes for the records of the source."""
    group, words = command(kit, source, options)
    log = kit.folder / f"{group}.callgrind"
    libraries = str(BUILD / ".libs")
    with open(log, "w") as out:
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes",
             f"--callgrind-out-file={log}", *map(str, words)],
            stderr=out, stdout=out,
            env={**os.environ, "LD_LIBRARY_PATH": libraries,
                 "KABRIDGE_MODULE_PATH": libraries})
        kit.started.append(process)
        got = kit.tool("wait", topic=source, group=group, committed=records,
                       seconds=120)
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    if not got.reached or status != 0:
        raise RuntimeError(f"{group}: committed {got.committed} of {records},"
                           f" left with {status}: {log.read_text()[-2000:]}")
    return instructions_of(log, function)


def guard(kit):
    sources = {}
    for records in FEW, MANY:
        sources[records] = kit.topic(8)
        kit.tool("generate", topic=sources[records], records=records,
                 size=SIZE, spread=True)
    floor = None
    for name, options, function, bound in SUBJECTS:
        few, many = (count(kit, sources[n], options, function, n)
                     for n in (FEW, MANY))
        each = (many - few) / (MANY - FEW)
        floor = floor or each
        kit.expect(each / floor <= bound,
                   f"{name}: {each:.0f} instructions a record, "
                   f"{each / floor:.2f} of the bare loop, at most {bound}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Broker() as broker:
        kit = Kit(broker, "guard")
        try:
            guard(kit)
        finally:
            kit.end(kit.failures > 0)
    print(f"{kit.claims - kit.failures} passed, {kit.failures} failed")
    return 1 if kit.failures else 0


if __name__ == "__main__":
    sys.exit(main())
