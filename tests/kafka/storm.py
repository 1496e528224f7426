# SPDX-License-Identifier: Apache-2.0
"""Three bridges in one group, and somebody who breaks things.

A Storm draws from its seed what happens when: a kill -9, a SIGSTOP shorter or
longer than the session, a member that leaves and comes back, a restart of the
broker. Records flow at a rate all the while. The seed repeats the same
schedule; the machine's own timing it cannot repeat.
"""
import random
import signal
import time
from collections import Counter

from harness import Background, wait_for

SESSION_S = 6


class Storm:
    def __init__(self, kit, seed, members=3, rate=2000, poison=997,
                 partitions=8, calm_s=(0.3, 3), transaction_s=None,
                 look_every_s=5, **options):
        """calm_s: at least and at most, from one fault to the next.
        transaction_s: the time of a transaction; members freeze past it
        while their session goes on."""
        self.kit = kit
        self.calm_s = calm_s
        self.seed = seed
        self.chance = random.Random(seed)
        self.rate = rate
        self.exact = options.get("delivery") == "exactly-once"
        self.order = options.get("order", "unordered")
        self.marks = dict(mark="P", mark_every=poison) if poison else {}
        self.source = kit.topic(partitions)
        self.sink = kit.topic(partitions,
                              message_timestamp_type="LogAppendTime")
        self.dead = kit.topic(1)
        self.log = kit.folder / "calls"
        self.broker_faults = not kit.broker.external
        options.setdefault("function_delay", "20ms")
        self.freezes_s = [0.5, 2, SESSION_S + 2]
        if transaction_s:
            options["producer_transaction_timeout_ms"] = transaction_s * 1000
            self.freezes_s.append(transaction_s + 2)
        self.members = [kit.bridge(
            self.source, self.sink, f"member{i}",
            dead_letter_topic=self.dead, function_seed=seed + i,
            function_log=self.log, batch_count=100, retry_backoff="20ms",
            retry_max_attempts=8, consumer_session_timeout_ms=SESSION_S * 1000,
            consumer_heartbeat_interval_ms=1000, **options)
            for i in range(members)]
        self.feeder = None
        self.happened = []  # of each fault: what, whom, begin and end in ms
        self.look_every_s = look_every_s
        self.looks = []
        self.seen = Counter()  # what ended lives counted, by their word

    def _tally(self, member):
        """Counters of a life that ends now."""
        metrics = member.metrics()
        self.seen["out of time"] += metrics.total("calls_total",
                                                  result="timeout")
        self.seen["late"] += metrics.total("call_faults_total", kind="late")
        self.seen["transactions out of time"] += metrics.total(
            "sinks_lost_total", reason="timeout")
        self.seen["assignments lost"] += metrics.total("rebalances_total",
                                                       kind="lost")

    def _kill(self, member):
        self._tally(member)
        member.kill()
        time.sleep(self.chance.uniform(0, 2))
        member.start()

    def _freeze(self, member):
        """Sometimes past its session, so that it wakes as a zombie."""
        member.signal(signal.SIGSTOP)
        time.sleep(self.chance.choice(self.freezes_s))
        member.signal(signal.SIGCONT)

    def _leave(self, member):
        self._tally(member)
        status = member.stop()
        if status not in (0, 75):
            self.kit.expect(False, f"{member.name} left with {status}")
        time.sleep(self.chance.uniform(0, 2))
        member.start()

    def _restart_broker(self, _):
        self.kit.broker.stop()
        time.sleep(self.chance.uniform(0, 3))
        self.kit.broker.start()

    def _still_ms(self, pause):
        """Of a pause, what was not the broker's."""
        _, begin, end = pause
        away = sum(max(0, min(end, back) - max(begin, gone))
                   for what, _, gone, back in self.happened
                   if what == "restart_broker")
        return end - begin - away

    def _tell(self, pause):
        """A pause, and what happened from a session before it to its end."""
        partition, begin, end = pause
        self.kit.note(f"partition {partition} stood still for "
                      f"{(end - begin) / 1000:.1f} s, from "
                      f"{time.ctime(begin / 1000)}; faults, counted from "
                      "then:")
        for what, whom, start, stop in self.happened:
            if stop > begin - SESSION_S * 1000 and start < end:
                self.kit.note(f"    {(start - begin) / 1000:6.1f} to "
                              f"{(stop - begin) / 1000:6.1f} s: {what}" +
                              f" {whom}" * (what != "restart_broker"))

    def _faults(self):
        """To draw from, each as often as it stands there."""
        return ([self._kill] * 4 + [self._freeze] * 3 + [self._leave] * 3 +
                [self._restart_broker] * self.broker_faults)

    def _fault(self):
        fault = self.chance.choice(self._faults())
        member = self.chance.choice(self.members)
        begin = time.time() * 1000
        fault(member)
        self.happened.append((fault.__name__.strip("_"), member.name, begin,
                              time.time() * 1000))

    def _revive(self):
        """A member that gave up by itself is a finding, not the end."""
        for member in self.members:
            if not member.alive:
                self.kit.expect(False, f"{member.name} left by itself with "
                                f"{member.wait()}")
                member.start()

    def _look(self):
        self.looks.append(self.kit.tool(
            "commits", topic=self.source, output=self.sink, also=self.dead,
            group=self.members[0].group, records=10 ** 7, **self.marks))

    def _look_often(self, asked):
        """Commits are judged while faults happen, not only at the end."""
        while not asked.wait(self.look_every_s):
            try:
                self._look()
            except RuntimeError:
                continue  # the broker was away

    def blow(self, seconds):
        self.feeder = self.kit.tool_start(
            "generate", topic=self.source, rate=self.rate, seconds=seconds,
            **self.marks)
        for member in self.members:
            member.start()
        looker = Background(self._look_often)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                time.sleep(self.chance.uniform(*self.calm_s))
                self._revive()
                self._fault()
        finally:
            looker.stop()
        self.records = self.kit.tool_finish(self.feeder).records

    def settle(self, seconds=90):
        """The faults are over: the lag must go to nothing."""
        counts = dict(Counter(what for what, *_ in self.happened))
        self.kit.note(f"seed {self.seed}: {counts}")
        self._revive()
        self.kit.caught_up(self.members[0], self.source, seconds)
        self.kit.expect(self.looks, f"{len(self.looks)} looks at commits "
                        "while faults happened")
        self._look()
        for member in self.members:
            self._tally(member)
        statuses = [member.stop() for member in self.members]
        self.kit.expect(statuses == [0] * len(statuses),
                        f"all leave with 0: {statuses}")
        self.kit.note("counted by the members: " + ", ".join(
            f"{what} {count:.0f}" for what, count in self.seen.items()))

    def judge(self, still_s=None):
        """still_s: so long may a partition stand still, its broker being
        up."""
        order = {"ordered": "partition"}.get(self.order, self.order)
        counts = self.kit.tool(
            "check", topic=self.sink, also=self.dead, records=self.records,
            order="none" if order == "unordered" else order, pauses=True,
            **self.marks)
        calls = self.kit.tool("calls", file=self.log, records=self.records)
        # The feeder's own: not each broker's restart leaves it idempotent.
        fed = self.kit.tool("check", topic=self.source, records=self.records)
        if fed.lost:
            self.kit.note(f"{fed.lost} records were never written")
        came_twice = fed.doubled
        counts.doubled -= came_twice
        self.counts, self.calls = counts, calls
        if came_twice:
            self.kit.note(f"{came_twice} records came twice, and are no "
                          "doubles")
        self.kit.note(f"records {self.records}, doubled {counts.doubled}, "
                      f"calls repeated {calls.repeated}, longest pause "
                      f"{counts.pause_ms} ms, dead letters {counts.dead}")
        self.kit.expect(counts.lost == 0, f"lost {counts.lost}")
        pauses = sorted(counts.pauses, key=self._still_ms)
        still_ms = self._still_ms(pauses[-1]) if pauses else 0
        still = (f"a partition stood still for {still_ms / 1000:.1f} s at "
                 "most, its broker being up")
        if still_s:
            for pause in pauses[-3:]:
                self._tell(pause)
            self.kit.expect(still_ms <= still_s * 1000, still)
        else:
            self.kit.note(still)
        if self.exact:
            self.kit.expect(counts.doubled == 0, f"doubled {counts.doubled}")
        self.kit.expect(counts.foreign == 0, f"foreign {counts.foreign}")
        self.kit.expect(counts.disorder == 0,
                        f"out of order {counts.disorder}")
        self.kit.commits_were_seen(self.looks)
