# SPDX-License-Identifier: Apache-2.0
"""script/prove: kill -9 among three bridges, then count."""
import argparse
import signal
import sys
import time

from broker import Broker
from harness import Kit
from storm import Storm


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


def prove(options):
    with Broker() as broker:
        kit = Kit(broker, "prove")
        failed = True
        try:
            storm = Kills(kit, options.seed, delivery=options.delivery,
                          rate=options.rate, order="key", poison=None,
                          output_timestamp="now")
            print(f"three bridges, {options.delivery}, {options.rate} "
                  f"records/s for {options.seconds} s, seed {options.seed}",
                  flush=True)
            storm.blow(options.seconds)
            print("no more kills; waiting for the lag to go", flush=True)
            storm.settle()
            storm.judge()
            failed = kit.failures > 0
        finally:
            kit.end(failed)
    counts, calls = storm.counts, storm.calls
    for name, value in (("records", storm.records), ("lost", counts.lost),
                        ("doubled", counts.doubled),
                        ("out of order", counts.disorder),
                        ("repeated calls", calls.repeated),
                        ("kills", len(storm.happened)),
                        ("longest pause", f"{counts.pause_ms / 1000:.1f} s")):
        print(f"{name:15} {value}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog="script/prove")
    parser.add_argument("--delivery", default="at-least-once",
                        choices=("at-least-once", "exactly-once"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seed", type=int,
                        default=time.time_ns() % 1000000)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return prove(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
