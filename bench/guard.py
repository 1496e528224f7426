# SPDX-License-Identifier: Apache-2.0
"""bench/guard.py: has a record become dearer?
bench/guard.py --partitions: is it dearer with 1,000 partitions than with 8?

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
# With a thousand partitions, so that each has enough for several calls.
FEW_SPREAD, MANY_SPREAD = 50000, 150000
SIZE = 100

# subject, options of the binding (None: the bare loop), the function that only
# the thread to count calls, largest ratio of its instructions a record to those
# of the bare loop
SUBJECTS = (
    ("bare loop", None, "main", 1.0),
    ("kabridge", {}, "kab_engine_advance", 1.5),
    ("kabridge, no headers", {"output_headers": "drop"},
     "kab_engine_advance", 1.45),
    # Few transactions: how many there are is a matter of time.
    ("kabridge, exactly-once",
     {"delivery": "exactly-once", "transaction_interval": "1s"},
     "kab_engine_advance", 1.8),
)
# The same, but the largest ratio of 1,000 partitions to 8; None: any.
SPREAD = (("bare loop", None, "main", None),
          ("kabridge", {}, "kab_engine_advance", 1.25))


def program(name):
    """The program itself; what stands in build/ may be a wrapper of it."""
    real = BUILD / ".libs" / name
    return real if real.exists() else BUILD / name


def command(kit, source, options, partitions):
    sink = kit.topic(partitions)
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


def count(kit, source, options, function, records, partitions=8):
    """Instructions that it takes for the records of the source."""
    group, words = command(kit, source, options, partitions)
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
                       seconds=300)
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    if not got.reached or status != 0:
        raise RuntimeError(f"{group}: committed {got.committed} of {records},"
                           f" left with {status}: {log.read_text()[-2000:]}")
    return instructions_of(log, function)


def fill(kit, numbers, partitions):
    """Topics with so many records, by their number."""
    sources = {}
    for records in numbers:
        sources[records] = kit.topic(partitions)
        kit.tool("generate", topic=sources[records], records=records,
                 size=SIZE, spread=True)
    return sources


def cost(kit, sources, options, function, partitions=8):
    """Instructions a record, from a topic with few and one with many."""
    few, many = sources
    spent = [count(kit, sources[n], options, function, n, partitions)
             for n in sources]
    return (spent[1] - spent[0]) / (many - few)


def guard_partitions(kit):
    spread = {n: fill(kit, (FEW_SPREAD, MANY_SPREAD), n) for n in (8, 1000)}
    for name, options, function, bound in SPREAD:
        each = {n: cost(kit, sources, options, function, n)
                for n, sources in spread.items()}
        kit.expect(not bound or each[1000] / each[8] <= bound,
                   f"{name}: {each[1000]:.0f} instructions a record with "
                   f"1,000 partitions, {each[8]:.0f} with 8: "
                   f"{each[1000] / each[8]:.2f}, at most {bound or 'any'}")


def guard(kit):
    sources = fill(kit, (FEW, MANY), 8)
    floor = None
    for name, options, function, bound in SUBJECTS:
        each = cost(kit, sources, options, function)
        floor = floor or each
        kit.expect(each / floor <= bound,
                   f"{name}: {each:.0f} instructions a record, "
                   f"{each / floor:.2f} of the bare loop, at most {bound}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Broker() as broker:
        kit = Kit(broker, "guard")
        try:
            if sys.argv[1:] == ["--partitions"]:
                guard_partitions(kit)
            else:
                guard(kit)
        finally:
            kit.end(kit.failures > 0)
    print(f"{kit.claims - kit.failures} passed, {kit.failures} failed")
    return 1 if kit.failures else 0


if __name__ == "__main__":
    sys.exit(main())
