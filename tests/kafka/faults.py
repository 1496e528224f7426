# SPDX-License-Identifier: Apache-2.0
"""Processes that are killed, brokers that go away, members that come."""
import random
import re
import signal
import time

from harness import Background, size, test, wait_for

QUICK = {"consumer_session_timeout_ms": 6000,
         "consumer_heartbeat_interval_ms": 1000}


@test("kill -9 ten times, the first before any commit", "faults")
def ten_kills_lose_nothing(kit):
    source, sink = kit.topic(), kit.topic()
    log, rate, batch, in_flight = kit.folder / "calls", 5000, 64, 4
    kit.tool("generate", topic=source, records=1000, **{"from": 800000000})
    common = dict(start="latest", consumer_group_instance_id="one",
                  batch_count=batch, max_in_flight=in_flight,
                  function_log=log, **QUICK)
    first = kit.bridge(source, sink, function_per_record="60s",
                       call_timeout="0", **common).start()
    kit.expect(kit.wait_lag(first, source).reached,
               "the start is committed before any record")
    feeder = kit.tool_start("generate", topic=source, rate=rate, seconds=30)
    kit.expect(wait_for(lambda: size(log), 20),
               "records are in calls, none is finished")
    first.kill()
    # Behind a kill it catches up, and not faster than this.
    fastest = in_flight * 5000
    bridge = kit.bridge(source, sink, name="next", order="key",
                        function_per_record="200us", **common)
    chance = random.Random(7)
    for _ in range(9):
        bridge.start()
        wait_for(lambda: bridge.metrics().total("records_finished_total")
                 > batch, 20)
        time.sleep(chance.uniform(0.2, 1.5))
        kit.expect(bridge.alive, "runs until it is killed")
        bridge.kill()
    records = kit.tool_finish(feeder).records
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, records=records, bytes=True,
                      order="key")
    # A kill repeats what is in calls, and what was answered and is not yet
    # acknowledged and committed: some 30 ms on a quiet machine.
    allowed = 10 * int(batch * in_flight + 0.1 * fastest)
    kit.arrived(counts, allowed)
    calls = kit.tool("calls", file=log, records=records)
    kit.expect(calls.repeated <= allowed, f"calls repeated {calls.repeated}, "
               f"allowed {allowed}; of one record {calls.most}")


@test("kill -9 five times under exactly-once", "faults")
def kills_repeat_nothing_under_exactly_once(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=5000, seconds=25)
    bridge = kit.bridge(source, sink, delivery="exactly-once", order="key",
                        consumer_group_instance_id="one", **QUICK)
    chance = random.Random(11)
    for _ in range(5):
        bridge.start()
        kit.expect(wait_for(lambda: bridge.metrics().total(
            "records_finished_total") > 0, 30), "finishes records")
        time.sleep(chance.uniform(0.2, 1.5))
        bridge.kill()
    records = kit.tool_finish(feeder).records
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                         order="key"))


@test("kill -9 while one record is held and thousands passed it", "faults")
def what_passed_a_held_record_is_not_called_again(kit):
    source, sink, log = kit.topic(1), kit.topic(1), kit.folder / "calls"
    batch, in_flight, rate, passed = 64, 4, 2000, 15000
    held = dict(mark="H", mark_first=100, mark_every=10 ** 9)
    feeder = kit.tool_start("generate", topic=source, rate=rate, seconds=12,
                            **held)
    bridge = kit.bridge(
        source, sink, batch_count=batch, max_in_flight=in_flight,
        function_hold_time="10m", call_timeout=0, function_log=log,
        consumer_group_instance_id="one", **QUICK).start()
    kit.tool("wait", topic=sink, end=passed, seconds=40)
    bridge.kill()
    got = kit.tool("group", group=bridge.group, topic=source)
    committed = got.partitions[0]["committed"]
    kit.expect(committed <= 100, f"committed {committed}: the held one")
    bridge.binding["function.hold.time"] = "0"
    bridge.write_config()
    bridge.start()
    records = kit.tool_finish(feeder).records
    kit.caught_up(bridge, source)
    skipped = bridge.metrics().total("records_skipped_total",
                                     reason="finished")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    # In calls, and half a second's of what was to be committed next, which
    # is after 10 ms and the broker's answer.
    allowed = batch * in_flight + rate // 2
    kit.expect(skipped > passed - allowed, f"{skipped:.0f} were finished")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                         **held), allowed)
    calls = kit.tool("calls", file=log, records=records)
    kit.expect(calls.repeated <= allowed, f"calls repeated {calls.repeated}, "
               f"allowed {allowed}")


@test("a member stands still past its transaction's time", "faults")
def a_transaction_ends_while_its_owner_stands_still(kit):
    """The broker aborts it; the owner stays a member, and learns of it. What it
    writes again has its headers again."""
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=2000, seconds=40,
                            headers=3)
    bridge = kit.bridge(
        source, sink, delivery="exactly-once", order="key",
        transaction_interval="900ms", producer_transaction_timeout_ms=3000,
        consumer_session_timeout_ms=20000).start()
    kit.tool("wait", topic=sink, end=2000, seconds=30)
    for _ in range(4):
        bridge.signal(signal.SIGSTOP)
        time.sleep(5)
        bridge.signal(signal.SIGCONT)
        kit.goes_on(bridge, "5 s, of which a transaction has 3", 10)
    metrics = bridge.metrics()
    ended = metrics.total("sinks_lost_total", reason="timeout")
    kit.expect(ended > 0, f"{ended:.0f} of 4 met an open transaction")
    lost = metrics.total("rebalances_total", kind="lost")
    kit.expect(lost == 0, f"assignments lost {lost:.0f}")
    records = kit.tool_finish(feeder).records
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                         order="key", headers=3))


def outage(kit, delivery, doubled):
    """The session outlives it, however long the broker takes to start."""
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=300000)
    bridge = kit.bridge(source, sink, delivery=delivery, order="key",
                        consumer_session_timeout_ms=180000,
                        function_delay="20ms").start()
    kit.tool("wait", topic=sink, end=20000, seconds=30)
    kit.broker.stop()
    gone = time.monotonic()
    shows = wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 503, 20)
    span = time.monotonic() - gone
    kit.expect(shows and span < 15, f"not ready after {span:.1f} s")
    time.sleep(max(0, gone + 20 - time.monotonic()))
    kit.expect(bridge.alive, "the process stays")
    kit.broker.start()
    kit.goes_on(bridge, "the outage", 5)
    kit.caught_up(bridge, source, 90)
    kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 30),
               "ready again")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=300000, bytes=True,
                         order="key"), doubled)


@test("the broker is away for 20 s", "faults")
def an_outage_loses_nothing(kit):
    # An idempotent producer is the same before and after.
    outage(kit, "at-least-once", 2000)


@test("the broker is away for 20 s under exactly-once", "faults")
def an_outage_repeats_nothing_under_exactly_once(kit):
    outage(kit, "exactly-once", 0)


@test("the broker is restarted again and again", "faults")
def restarts_lose_no_client(kit):
    """KAB_QUIRK_STUCK_BROKER: a current librdkafka may forget its brokers."""
    stages = []
    for delivery in "at-least-once", "exactly-once":
        source, sink = kit.topic(), kit.topic()
        kit.tool("generate", topic=source, records=500)
        stages.append((source, sink, [
            kit.bridge(source, sink, f"{delivery}-{i}", delivery=delivery,
                       **QUICK).start() for i in range(2)]))
    for records in range(500, 3000, 500):
        for source, _, bridges in stages:
            kit.caught_up(bridges[0], source, 40)
        kit.broker.restart()
        for source, _, _ in stages:
            kit.tool("generate", topic=source, records=500,
                     **{"from": records})
    for source, sink, bridges in stages:
        kit.caught_up(bridges[0], source, 40)
        for bridge in bridges:
            kit.expect(bridge.stop() == 0, f"{bridge.name} leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=3000, bytes=True),
                    10 ** 6)


@test("the broker stands still past the session", "faults")
def a_broker_that_does_not_answer_is_named_first(kit):
    """The client gives up its partitions meanwhile: that is no cause."""
    for word in "pause", "stop":
        source, sink = kit.topic(), kit.topic()
        kit.tool("generate", topic=source, records=100)
        bridge = kit.bridge(source, sink, word, **QUICK).start()
        kit.tool("wait", topic=sink, end=100, seconds=30)
        wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 30)
        getattr(kit.broker, word)()
        begin, reasons = time.monotonic(), {}
        while time.monotonic() - begin < 25:
            status, reason = bridge.get("/ready") or (0, "no answer")
            if time.monotonic() - begin > 10:
                reasons[reason.strip()] = status
            time.sleep(0.5)
        kit.broker.resume()
        kit.broker.start()
        bad = [reason for reason, status in reasons.items() if status != 503
               or not re.search("broker .*(answer|reach|connect)", reason)]
        kit.expect(not bad, f"{word}: not ready for its broker only: {bad}")
        kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200,
                            30), f"{word}: ready again")
        kit.expect("] not ready" in bridge.log, f"{word}: its begin is told")
        few_lines(kit, bridge, word, time.monotonic() - begin)
        kit.expect(bridge.stop() == 0, f"{word}: leaves with 0")


# Lines that an outage repeats, and how many of each an hour has at most: unit
# tests show that (test-readiness, test-outage-lines).
LIMITED = {
    r"ready( again| for|:| after)": 80,
    r"\] (consumer: |a commit was refused|the committed offset cannot)": 30,
    r"\] (assigned|revoked|lost): ": 30,
    r"\] (the producer is replaced: |the transaction)": 30}


def few_lines(kit, bridge, what, seconds):
    """The log since it was first ready would be short after an hour of this.
    Lines without a limit count as if they went on as in these seconds."""
    def lines_since():
        return bridge.log.partition("ready: the start took")[2].splitlines()[1:]

    def has_end():
        told = [line for line in lines_since() if "ready" in line]
        return not told or "ready again: it was not ready for" in told[-1]
    kit.expect(wait_for(has_end, 5), f"{what}: what is told has an end")
    lines = lines_since()
    hour = 0
    for words, most in LIMITED.items():
        found = sum(bool(re.search(words, line)) for line in lines)
        hour += min(most, found * 3600 / seconds)
    others = [line for line in lines
              if not any(re.search(words, line) for words in LIMITED)]
    hour += len(others) * 3600 / seconds
    kit.expect(hour < 200, f"{what}: {len(lines)} lines in {seconds:.0f} s, at "
               f"most {hour:.0f} in an hour; without a limit: {others}")


@test("the broker comes and goes", "faults")
def a_flapping_broker_fills_no_log(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=100, seconds=40)
    bridges = [kit.bridge(source, sink, delivery, delivery=delivery,
                          group=f"{delivery}-{source}", **QUICK).start()
               for delivery in ("at-least-once", "exactly-once")]
    for bridge in bridges:
        wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 30)
    begin = time.monotonic()
    for _ in range(4):
        kit.broker.stop()
        time.sleep(3)
        kit.broker.start()
        time.sleep(2)
    records = kit.tool_finish(feeder).records
    for bridge in bridges:
        kit.caught_up(bridge, source)
        kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200,
                            30), f"{bridge.name}: ready again")
        few_lines(kit, bridge, bridge.name, time.monotonic() - begin)
        kit.expect(bridge.stop() == 0, f"{bridge.name}: leaves with 0")
    kit.expect(records > 0, f"{records} records flowed")


@test("the input topic is deleted, and made again", "faults")
def a_deleted_input_shows(kit):
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=100)
    bridge = kit.bridge(source, sink).start()
    kit.tool("wait", topic=sink, end=100, seconds=30)

    def answers(status):
        return wait_for(
            lambda: (bridge.get("/ready") or (0,))[0] == status, 30)
    kit.tool("delete", topic=source)
    kit.expect(answers(503), "not ready")
    kit.tool("create", topic=source, partitions=8)
    kit.expect(answers(200), "ready again")
    kit.expect(bridge.stop() == 0, "leaves with 0")


@test("SIGTERM after the input topic was deleted", "faults")
def a_deleted_input_keeps_no_process(kit):
    """librdkafka 2.0 does not end the destruction of such a client."""
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=100)
    bridge = kit.bridge(source, sink).start()
    kit.tool("wait", topic=sink, end=100, seconds=30)
    kit.tool("delete", topic=source)
    kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 503, 30),
               "not ready")
    begin = time.monotonic()
    status = bridge.stop(40)
    took = time.monotonic() - begin
    kit.expect(status == 0 and took < 10,
               f"leaves with {status} in {took:.1f} s")


@test("SIGTERM while the broker is away", "faults")
def a_stop_without_a_broker_ends(kit):
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=200000)
    bridge = kit.bridge(source, sink, function_delay="50ms",
                        shutdown_timeout="5s").start()
    kit.tool("wait", topic=sink, end=5000, seconds=30)
    kit.broker.pause()
    begin = time.monotonic()
    status = bridge.stop(40)
    took = time.monotonic() - begin
    kit.broker.resume()
    kit.expect(status == 75, f"leaves with 75: {status}")
    kit.expect(took < 6, f"within a second after shutdown.timeout, 5 s: "
               f"{took:.1f} s")
    again = kit.bridge(source, sink, **QUICK).start()
    kit.caught_up(again, source, 90)
    kit.expect(again.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, records=200000, bytes=True)
    kit.arrived(counts, 20000)


@test("a second process joins and leaves", "faults")
def a_second_process_joins_and_leaves(kit):
    for delivery in "at-least-once", "exactly-once":
        source, sink = kit.topic(), kit.topic()
        feeder = kit.tool_start("generate", topic=source, rate=5000,
                                seconds=15)
        one = kit.bridge(source, sink, f"one-{delivery}", order="key",
                         delivery=delivery, function_delay="10ms").start()
        two = kit.bridge(source, sink, f"two-{delivery}", order="key",
                         delivery=delivery, function_delay="10ms")
        time.sleep(3)
        two.start()
        both = wait_for(lambda: one.partitions() == two.partitions() == 4, 20)
        kit.expect(both, f"{delivery}: four partitions each")
        time.sleep(2)
        kit.expect(two.stop() == 0, f"{delivery}: the second leaves with 0")
        records = kit.tool_finish(feeder).records
        kit.caught_up(one, source)
        kit.expect(one.stop() == 0, f"{delivery}: the first leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                             order="key"))


@test("the committed offset never passes an unfinished record", "faults")
def commits_never_pass_unfinished_records(kit):
    source, sink, dead = kit.topic(), kit.topic(), kit.topic(1)
    marks = dict(mark="P", mark_every=257)
    feeder = kit.tool_start("generate", topic=source, rate=4000, seconds=20,
                            **marks)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead,
                        max_in_flight=8, batch_count=100,
                        function_delay="60ms", function_fail=50,
                        function_silent=2, retry_backoff="20ms", **QUICK)
    bridge.start()

    def look(asked):
        seen = []
        while not asked.is_set():
            seen.append(kit.tool("commits", topic=source, output=sink,
                                 also=dead, group=bridge.group,
                                 records=200000, dropped="", **marks))
            asked.wait(1)
        return seen

    looker = Background(look)
    time.sleep(9)
    bridge.kill()
    bridge.start()
    records = kit.tool_finish(feeder).records
    kit.caught_up(bridge, source, 90)
    kit.commits_were_seen(looker.stop())
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=records,
                      bytes=True, **marks)
    kit.expect(counts.lost == 0, f"lost {counts.lost}")
