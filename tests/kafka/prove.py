# SPDX-License-Identifier: Apache-2.0
"""script/prove: kill -9 among three bridges, then count."""
import argparse
import signal
import sys
import time

from broker import Broker
from harness import Kit
from storm import SESSION_S, Storm

# What --compare shows side by side: delivery, and whether members are static.
COMPARED = (("at-least-once", False), ("at-least-once", True),
            ("exactly-once", True))


class Kills(Storm):
    """A storm of nothing but kill -9."""

    def _faults(self):
        return [self._kill]

    def _kill(self, member):
        print(f"  {time.monotonic() - self.begin:5.1f} s  kill -9 "
              f"{member.name}", flush=True)
        member.kill()
        member.start()
        time.sleep(self.chance.uniform(1, 3))

    def blow(self, seconds):
        self.begin = time.monotonic()
        super().blow(seconds)

    def make_static(self):
        for member in self.members:
            member.binding["consumer.group.instance.id"] = member.name
            member.write_config()

    def results(self):
        return {"records": self.records, "lost": self.counts.lost,
                "doubled": self.counts.doubled,
                "out of order": self.counts.disorder,
                "repeated calls": self.calls.repeated,
                "kills": len(self.happened),
                "longest pause": f"{self.counts.pause_ms / 1000:.1f} s"}


def prove(broker, options, delivery, is_static):
    """One storm; its results, and whether a claim failed."""
    kit = Kit(broker, "prove")
    failed = True
    try:
        storm = Kills(kit, options.seed, delivery=delivery,
                      rate=options.rate, order="key", poison=None,
                      output_timestamp="now")
        if is_static:
            storm.make_static()
        print(f"three bridges, {delivery}{', static members' * is_static}, "
              f"{options.rate} records/s for {options.seconds} s, seed "
              f"{options.seed}", flush=True)
        storm.blow(options.seconds)
        print("no more kills; waiting for the lag to go", flush=True)
        storm.settle()
        storm.judge()
        failed = kit.failures > 0
    finally:
        kit.end(failed)
    return storm.results(), failed


def print_table(heads, columns):
    print()
    if len(columns) > 1:
        print(" " * 16 + "".join(f"{head:>24}" for head in heads))
    width = 24 if len(columns) > 1 else 0
    for name in columns[0]:
        print(f"{name:16}" + "".join(f"{column[name]:>{width}}"
                                     for column in columns))


EXPLANATION = {
    "at-least-once": """
doubled: what at-least-once allows. A record that was called or produced but
not committed when its bridge was killed is done again by the next owner.
Under exactly-once, outputs and offsets are one transaction.""",
    "exactly-once": """
doubled: 0 is what exactly-once promises to readers of committed records.
Calls may still be repeated, and each kill waits for its open transaction.""",
}
PAUSES = f"""
longest pause: a killed bridge leaves no word. Its partitions stand until its
session.timeout.ms ({SESSION_S} s here) is over, because nobody can tell it from a
slow one; kills that follow each other add up. A static member
(consumer.group.instance.id) that is back within its session has its partitions
again at once."""


def run(options):
    chosen = COMPARED if options.compare else (
        (options.delivery, options.static),)
    columns, all_failed = [], []
    with Broker() as broker:
        for delivery, is_static in chosen:
            results, failed = prove(broker, options, delivery, is_static)
            columns.append(results)
            all_failed.append(failed)
    print_table([delivery + ", static" * is_static
                 for delivery, is_static in chosen], columns)
    for delivery in dict(chosen):
        print(EXPLANATION[delivery])
    print(PAUSES)
    return 1 if any(all_failed) else 0


def main():
    parser = argparse.ArgumentParser(prog="script/prove")
    parser.add_argument("--delivery", default="at-least-once",
                        choices=("at-least-once", "exactly-once"))
    parser.add_argument("--static", action="store_true",
                        help="members with consumer.group.instance.id")
    parser.add_argument("--compare", action="store_true",
                        help="both deliveries and static members, side by "
                        "side, with the same kills")
    parser.add_argument("--seconds", type=int,
                        help="default 60; with --compare 30 each")
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seed", type=int,
                        default=time.time_ns() % 1000000)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parser.parse_args()
    options.seconds = options.seconds or (30 if options.compare else 60)
    return run(options)


if __name__ == "__main__":
    sys.exit(main())
