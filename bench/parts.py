# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/run.py: questions, each with the cases that answer it.

A case is a name and a function without arguments that makes one measurement.
Topics to read from are written when a part is made, and shared.
"""
from dataclasses import dataclass, field

import subjects
from subjects import Floor, bridge


@dataclass
class Part:
    name: str
    question: str
    cases: dict = field(default_factory=dict)
    rounds: int = 0  # 0: as many as asked for


class Bench:
    """Makes the parts; records is how many a round passes at full load."""

    def __init__(self, kit, records):
        self.kit = kit
        self.records = records
        self.sources = {}

    def source(self, records=None, partitions=8, **words):
        """A topic with so many records, written once."""
        records = records or self.records
        key = (records, partitions, *words.items())
        if key not in self.sources:
            topic = self.sources[key] = self.kit.topic(partitions)
            self.kit.tool("generate", topic=topic, records=records,
                          spread=True, **words)
        return self.sources[key]

    def passing(self, make, records=None, partitions=8, **words):
        records = records or self.records
        source = self.source(records, partitions, **words)
        return lambda: subjects.passes(self.kit, source, records, make,
                                       partitions)

    def bridged(self, records=None, partitions=8, words=None, **options):
        return self.passing(
            lambda *where: bridge(*where, **options), records, partitions,
            **(words or {}))

    def small(self):
        return Part("pass", "pass-through of 100 bytes, 8 partitions", {
            "bare loop": self.passing(Floor, size=100),
            "kabridge": self.bridged(words={"size": 100}),
            "kabridge, headers dropped": self.bridged(
                words={"size": 100}, output_headers="drop"),
            "kabridge, exactly once": self.bridged(
                words={"size": 100}, delivery="exactly-once"),
        })

    def large(self):
        records, words = self.records // 4, {"size": 1024}
        return Part("large", "pass-through of 1 KiB, 8 partitions", {
            "bare loop": self.passing(Floor, records, **words),
            "kabridge": self.bridged(records, words=words),
        })

    def headers(self):
        records, words = self.records // 4, {"headers": 3}
        return Part("headers", "pass-through of 100 bytes with three headers", {
            "headers dropped": self.bridged(records, words=words,
                                            output_headers="drop"),
            "headers passed": self.bridged(records, words=words),
        })

    def partitions(self):
        cases = {}
        for n in 8, 64, 1000:
            cases[f"kabridge, {n}"] = self.bridged(partitions=n)
        for n in 8, 1000:
            cases[f"bare loop, {n}"] = self.passing(Floor, partitions=n)
        return Part("partitions", "pass-through by number of partitions", cases)

    def bindings(self):
        cases = {}
        for n in 1, 5, 20:
            each = self.records // n
            cases[f"{n} binding{'s' if n > 1 else ''}"] = (
                lambda source=self.source(each), n=n, each=each:
                subjects.passes_by_many(self.kit, source, n, each))
        return Part("bindings", "pass-through by bindings of one process",
                    cases)

    def exactly_once(self):
        cases = {"at least once": self.bridged()}
        for interval in "20ms", "50ms", "100ms", "300ms", "1s":
            cases[f"exactly once, {interval}"] = self.bridged(
                delivery="exactly-once", transaction_interval=interval)
        return Part("exactly-once", "exactly once by transaction.interval",
                    cases)

    def inference(self):
        records = self.records // 8
        source = self.source(records)
        return Part("inference", "a model of 5 ms + 50 µs a record, batches "
                    "of 64, 4 in flight", {
                        "kabridge": lambda: subjects.infers(
                            self.kit, source, records, 64, 4, 5000, 50)})

    def latencies(self):
        cases = {}
        for rate in 100, 1000:
            for name, make in (
                    ("Kafka alone", None),
                    ("bare loop, linger.ms 5", Floor),
                    ("kabridge, linger.ms 5", bridge),
                    ("kabridge, linger.ms 0", lambda *where: bridge(
                        *where, producer_linger_ms="0"))):
                cases[f"{name}, {rate}/s"] = (
                    lambda rate=rate, make=make:
                    subjects.latency(self.kit, rate, 5, make))
        return Part("latency", "from produce to visible in the output", cases)

    def straggler(self):
        records = self.records // 4
        plain = self.source(records, size=100)
        held = self.source(records, size=100, mark="H", mark_every=records,
                           mark_first=100)
        return Part("straggler", "records that pass a call that never ends", {
            "without": lambda: subjects.passes_a_straggler(
                self.kit, plain, records),
            "with": lambda: subjects.passes_a_straggler(
                self.kit, held, records)})

    def memory(self):
        source = self.source()
        return Part("memory", "resident memory, at its most", {
            "idle": lambda: subjects.rests(self.kit, 3),
            "loaded": lambda: subjects.holds_memory(
                self.kit, source, self.records),
            "loaded, exactly once": lambda: subjects.holds_memory(
                self.kit, source, self.records, delivery="exactly-once")})

    def start(self):
        source = self.source(1000)
        return Part("start", "from exec to the first output", {
            "kabridge": lambda: subjects.starts(self.kit, source)})

    def metrics(self):
        cases = {}
        for n in 8, 1000:
            cases[f"{n} partitions"] = (
                lambda source=self.source(partitions=n), n=n:
                subjects.scrapes(self.kit, source, n, 50))
        return Part("metrics", "a look at /metrics each second", cases)

    def admin(self):
        source = self.source(size=100)

        def case(beside):
            return lambda: subjects.passes_beside(
                self.kit, source, self.records, beside)
        return Part("admin", "pass-through beside clients of the admin server",
                    {"without": case(None),
                     "/metrics and /status each second": case(subjects.scraper),
                     "1,000 idle connections, 50 slow readers":
                     case(subjects.crowd)})


# In the order of the report.
PARTS = {
    "pass": Bench.small, "large": Bench.large, "headers": Bench.headers,
    "partitions": Bench.partitions, "bindings": Bench.bindings,
    "exactly-once": Bench.exactly_once, "inference": Bench.inference,
    "latency": Bench.latencies, "straggler": Bench.straggler,
    "memory": Bench.memory, "start": Bench.start, "metrics": Bench.metrics,
    "admin": Bench.admin,
}
