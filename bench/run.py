# SPDX-License-Identifier: Apache-2.0
"""bench/run.sh: what a record costs, beside the least it can cost.

Each round runs every subject once over the same input, in turn, so that what
else the machine does falls on all of them; the table has medians. Processor
time is that of the subject's whole process, from its start to the moment its
committed offsets reach the end, by the kernel's account.
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "kafka"))

from broker import Broker  # noqa: E402
from harness import BUILD, Kit  # noqa: E402


def cpu_seconds(pid):
    """With the resolution of the scheduler, over all threads."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Floor:
    """The bare loop, with the same face as a Bridge."""

    def __init__(self, kit, source, sink, name):
        self.group = f"group-{sink}"
        self.command = [BUILD / "bench-floor",
                        f"brokers={kit.broker.address}", f"input={source}",
                        f"output={sink}", f"group={self.group}"]

    def start(self):
        self.process = subprocess.Popen(self.command)
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def bridge(kit, source, sink, name, **options):
    return kit.bridge(source, sink, name, admin=False, function="identity",
                      group=f"group-{sink}", output_partition="same",
                      bridge={}, **options)


SUBJECTS = {
    "bare loop": Floor,
    "kabridge": bridge,
    # as the bare loop, which passes no headers
    "kabridge, no headers": lambda *words: bridge(
        *words, output_headers="drop"),
    "kabridge exactly-once": lambda *words: bridge(
        *words, delivery="exactly-once", transaction_interval="100ms"),
}


def measure(kit, make, source, records, name):
    """Microseconds of processor a record, and records a second."""
    sink = kit.topic(8)
    subject = make(kit, source, sink, name).start()
    begin = time.monotonic()
    got = kit.tool("wait", topic=source, group=subject.group,
                   committed=records, seconds=120)
    took = time.monotonic() - begin
    cpu = cpu_seconds(subject.process.pid)
    status = subject.stop()
    if not got.reached or status != 0:
        raise RuntimeError(f"{name}: committed {got.committed} of {records}, "
                           f"left with {status}")
    kit.tool("delete", topic=sink)
    return cpu / records * 1e6, records / took


def ratios(results, name):
    """To the bare loop of the same round, from the least to the most."""
    return sorted(cpu / floor for (cpu, _), (floor, _) in
                  zip(results[name], results["bare loop"]))


def table(results, rounds, records, size):
    print(f"\n{records} records of {size} bytes, 8 partitions, medians of "
          f"{rounds} rounds ({os.cpu_count()} cores with the broker)\n")
    print(f"{'':24}{'µs CPU/record':>14}{'ratio':>8}{'in a round':>14}"
          f"{'records/s':>12}")
    floor = statistics.median(c for c, _ in results["bare loop"])
    for name, runs in results.items():
        cpu = statistics.median(c for c, _ in runs)
        rate = statistics.median(r for _, r in runs)
        spread = ratios(results, name)
        print(f"{name:24}{cpu:14.3f}{cpu / floor:8.2f}"
              f"{f'{spread[0]:.2f}-{spread[-1]:.2f}':>14}{rate:12.0f}")
    print("\nratio: of the medians; in a round: the least and the most of "
          "the rounds' own")


def holds(results, least):
    """Says how much exactly-once reaches; is it enough?"""
    plain, exact = (statistics.median(r for _, r in results[name]) for name in
                    ("kabridge", "kabridge exactly-once"))
    enough = exact >= plain * least
    print(f"exactly-once reaches {exact / plain * 100:.0f} % of the "
          "throughput of at-least-once" +
          (f"; wanted {least * 100:.0f} %" if not enough else ""))
    return enough


def bench(options):
    results = {name: [] for name in SUBJECTS}
    with Broker() as broker:
        kit = Kit(broker, "bench")
        try:
            source = kit.topic(8)
            kit.tool("generate", topic=source, records=options.records,
                     size=options.size, spread=True)
            for turn in range(options.rounds + 1):
                for name, make in SUBJECTS.items():
                    got = measure(kit, make, source, options.records,
                                  f"{name.replace(' ', '-')}-{turn}")
                    if turn == 0:  # warms broker and page cache
                        continue
                    results[name].append(got)
                    print(f"round {turn}: {name:24}{got[0]:8.3f} µs "
                          f"{got[1]:10.0f} records/s", flush=True)
        finally:
            kit.end(False)
    table(results, options.rounds, options.records, options.size)
    return 0 if holds(results, options.least_ratio) else 1


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--least-ratio", type=float, default=0.8,
                        help="fail where exactly-once has a smaller share of "
                        "at-least-once's throughput; default 0.8")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return bench(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
