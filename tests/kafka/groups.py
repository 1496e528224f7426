# SPDX-License-Identifier: Apache-2.0
"""Several processes in one group: hand-over, churn, fencing, protocols."""
import os
import random
import re
import signal
import time

from broker import Broker
from harness import test, wait_for
from newer import NEWER, newer_library

SESSION_S = 6


def lively():
    """A broker that is quick to raise epochs and to give up on members and
    transactions."""
    return Broker(more=f"""\
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=500
group.consumer.min.session.timeout.ms={SESSION_S * 1000}
group.consumer.session.timeout.ms={SESSION_S * 1000}
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
""")


@test("hand-over between two healthy members", "groups", alone=True)
def a_hand_over_is_quick_and_repeats_nothing(kit):
    source = kit.topic()
    sink = kit.topic(8, message_timestamp_type="LogAppendTime")
    log = kit.folder / "calls"
    feeder = kit.tool_start("generate", topic=source, rate=4000, seconds=16)
    one = kit.bridge(source, sink, "one", function_log=log,
                     function_delay="10ms").start()
    two = kit.bridge(source, sink, "two", function_log=log,
                     function_delay="10ms")
    time.sleep(4)
    two.start()
    kit.expect(wait_for(lambda: two.partitions() == 4, 20),
               "the second takes half of the partitions")
    time.sleep(2)
    kit.expect(one.stop() == 0, "the first leaves with 0")
    kit.expect(wait_for(lambda: two.partitions() == 8, 20),
               "the second takes the rest")
    records = kit.tool_finish(feeder).records
    kit.caught_up(two, source)
    kit.expect(two.stop() == 0, "the second leaves with 0")
    counts = kit.tool("check", topic=sink, records=records, pauses=True)
    kit.arrived(counts)
    kit.expect(counts.pause_ms < 2000, f"longest pause {counts.pause_ms} ms")
    calls = kit.tool("calls", file=log, records=records)
    kit.expect(calls.repeated == 0, f"calls repeated {calls.repeated}")


@test("a member without partitions comes and goes", "groups")
def an_idle_member_leaves_at_once(kit):
    """If it said nothing, the group would wait for it until its session of
    45 s is over, and for that long nobody could join."""
    source, sink = kit.topic(1), kit.topic(1)

    def is_member(bridge):
        return bridge.metrics().total("rebalances_total", kind="assigned") > 0

    busy = kit.bridge(source, sink, "busy").start()
    kit.expect(wait_for(lambda: busy.partitions() == 1, 20),
               "one has the partition")
    for name in ("idle", "next"):
        idle = kit.bridge(source, sink, name).start()
        kit.expect(wait_for(lambda: is_member(idle), 5),
                   f"{name} joins within 5 s")
        kit.expect(idle.stop() == 0, f"{name} leaves with 0")
    kit.expect(busy.stop() == 0, "leaves with 0")


def called(path):
    """The numbers of the records that a function's log names."""
    return set(path.read_text().split()) if path.exists() else set()


@test("members leave while the group waits for a dead one", "groups")
def a_dead_member_keeps_nobody(kit):
    """The group waits for a killed member until its session is over; those
    who leave meanwhile are gone at once, and what they finished is known."""
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=1000, seconds=16)

    def member(name):
        return kit.bridge(source, sink, name, function_log=kit.folder / name,
                          consumer_session_timeout_ms=10000)

    one, dead, third, last = map(member, ("one", "dead", "third", "last"))
    one.start()
    kit.expect(wait_for(lambda: one.partitions() == 8, 20), "one has all")
    dead.start()
    kit.expect(wait_for(lambda: dead.partitions() == 4, 20),
               "another has half")
    dead.kill()
    killed = time.monotonic()
    third.start()
    kit.expect(wait_for(lambda: kit.tool("group", group=one.group,
                                         topic=source).state ==
                        "PreparingRebalance", 8), "the group waits")
    time.sleep(1)  # the first one has heard of it by its heartbeat
    begin = time.monotonic()
    statuses = [bridge.stop() for bridge in (one, third)]
    span = time.monotonic() - begin
    kit.expect(statuses == [0, 0] and span < 6,
               f"both leave with {statuses} in {span:.1f} s")
    last.start()
    kit.expect(wait_for(lambda: last.partitions() == 8, 40),
               "the last one gets all")
    span = time.monotonic() - killed
    kit.expect(span < 13, f"{span:.1f} s after the kill, session of 10 s")
    records = kit.tool_finish(feeder).records
    kit.caught_up(last, source)
    kit.expect(last.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, records=records)
    kit.expect(counts.lost == 0, f"lost {counts.lost}")
    again = called(kit.folder / "one") & called(kit.folder / "last")
    kit.expect(not again, f"called again of what one finished: {len(again)}")


def churn(kit, seconds, environment=None, **options):
    """Three members, of which two come and go. Nothing is called again, and
    the group never stands still."""
    source, sink, log = kit.topic(12), kit.topic(12), kit.folder / "calls"
    feeder = kit.tool_start("generate", topic=source, rate=4000,
                            seconds=seconds)
    members = [kit.bridge(source, sink, f"member{i}", function_log=log,
                          order="key", function_delay="10ms",
                          environment=environment, **options)
               for i in range(3)]
    chance = random.Random(3)
    lost, statuses, end = 0, [], time.monotonic() + seconds
    for member in members:
        member.start()
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.5, 1.5))
        member = chance.choice(members[1:])
        if member.alive:
            lost += member.metrics().total("rebalances_total", kind="lost")
            statuses.append(member.stop())
        else:
            member.start()
    records = kit.tool_finish(feeder).records
    kit.expect(set(statuses) == {0}, f"{len(statuses)} stops leave with 0")
    kit.caught_up(members[0], source, 10)
    for member in members:
        if member.alive:
            lost += member.metrics().total("rebalances_total", kind="lost")
            kit.expect(member.stop() == 0, f"{member.name} leaves with 0")
    kit.expect(lost == 0, f"assignments lost {lost:.0f}")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                         order="key"))
    calls = kit.tool("calls", file=log, records=records)
    kit.expect(calls.repeated == 0, f"calls repeated {calls.repeated}")


@test("three members come and go", "groups", alone=True)
def churn_loses_no_assignment(kit):
    churn(kit, 30)


@test("three members come and go, eager assignment", "groups", alone=True)
def churn_with_an_eager_assignor(kit):
    churn(kit, 15, consumer_partition_assignment_strategy="range")


@test("three members come and go, exactly once", "groups", alone=True)
def churn_under_exactly_once(kit):
    churn(kit, 20, delivery="exactly-once")


@test("static membership: a restart moves nothing", "groups")
def a_static_member_comes_back(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=2000, seconds=12)
    members = [kit.bridge(source, sink, f"member{i}",
                          consumer_group_instance_id=f"member{i}").start()
               for i in range(2)]
    kit.expect(wait_for(lambda: all(m.partitions() == 4 for m in members), 20),
               "four partitions each")
    before = members[0].metrics().total("rebalances_total")
    kit.expect(members[1].stop() == 0, "one leaves with 0")
    members[1].start()
    kit.expect(wait_for(lambda: members[1].partitions() == 4, 20),
               "it gets its partitions back")
    after = members[0].metrics().total("rebalances_total")
    kit.expect(after == before, f"the other one saw {after - before:.0f} "
               "rebalances")
    records = kit.tool_finish(feeder).records
    kit.caught_up(members[0], source)
    kit.expect([m.stop() for m in members] == [0, 0], "both leave with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records))


def says_who_is_fenced(member, name, advice):
    """The last line, once, with what to do about it."""
    return re.fullmatch(
        "kabridge: binding b: another producer uses the transactional id "
        + re.escape(name) + r"-0 \(\w+\): " + re.escape(advice),
        member.log.splitlines()[-1])


def fence(kit, source, sink, **same):
    """Starts two that are the same in something; both, and who leaves."""
    members = [kit.bridge(source, sink, f"member{i}", start="earliest",
                          delivery="exactly-once", **same).start()
               for i in range(2)]
    ended = wait_for(lambda: [m for m in members if not m.alive], 60)
    kit.expect(ended and ended[0].wait() == 78,
               f"one leaves with 78: {[m.wait() for m in ended]}")
    return members, ended


@test("two processes whose files set one transactional.id", "groups")
def a_transactional_id_of_two_is_named(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=2000, seconds=10)
    _, ended = fence(kit, source, sink, transactional_id="same")
    kit.expect(ended and says_who_is_fenced(
        ended[0], "same", "give each process a transactional.id of its own"),
        "naming the id and the option")
    kit.tool_finish(feeder)


@test("two processes with one transactional id", "groups")
def a_second_process_with_its_id_is_fenced(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=2000, seconds=20)
    members, ended = fence(kit, source, sink, instance="same")
    kit.expect(ended and says_who_is_fenced(
        ended[0], f"{members[0].group}-b-same",
        "give each process on this host an instance of its own "
        "([bridge] instance)"), "naming the id and the option")
    records = kit.tool_finish(feeder).records
    for member in members:
        member.stop()
    last = kit.bridge(source, sink, "last", instance="same",
                      delivery="exactly-once").start()
    kit.expect(wait_for(lambda: last.partitions() == 8, 30),
               "the last one has every partition")
    kit.caught_up(last, source, 90)
    kit.expect(last.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records))


@test("a static member after an outage longer than its session", "groups")
def a_static_member_keeps_its_place_in_an_outage(kit):
    """A dynamic one waits for its own old id, another session."""
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=200, seconds=60)
    bridge = kit.bridge(source, sink, consumer_session_timeout_ms=20000,
                        consumer_group_instance_id="one").start()
    kit.tool("wait", topic=sink, end=200, seconds=30)
    kit.broker.stop()
    time.sleep(21)
    kit.broker.start()
    kit.goes_on(bridge, "the outage", 15)
    records = kit.tool_finish(feeder).records
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.expect(kit.tool("check", topic=sink, records=records).lost == 0,
               "nothing is lost")


@test("two processes with one group.instance.id", "groups")
def a_static_member_whose_place_is_taken_leaves(kit):
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=1000, seconds=6)
    one, two = (kit.bridge(source, sink, name,
                           consumer_group_instance_id="same")
                for name in ("one", "two"))
    one.start()
    kit.expect(wait_for(lambda: one.partitions() == 8, 20), "one has them all")
    two.start()
    status = one.wait(10)
    kit.expect(status == 69, f"it leaves with 69, and soon: {status}")
    kit.expect("group.instance.id" in one.log, "naming the option")
    records = kit.tool_finish(feeder).records
    kit.caught_up(two, source)
    kit.expect(two.stop() == 0, "the other leaves with 0")
    kit.expect(kit.tool("check", topic=sink, records=records).lost == 0,
               "nothing is lost")


@test("the consumer group protocol of KIP-848, newer librdkafka", "groups")
def the_new_group_protocol_works(kit):
    path = {"LD_LIBRARY_PATH": str(newer_library())}
    source, sink = kit.topic(), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=3000, seconds=12)
    members = [kit.bridge(source, sink, f"member{i}", order="key",
                          consumer_group_protocol="consumer",
                          environment=path) for i in range(2)]
    members[0].start()
    time.sleep(3)
    members[1].start()
    kit.expect(wait_for(lambda: all(m.partitions() == 4 for m in members), 30),
               "four partitions each")
    metrics = members[0].metrics()
    series = NEWER.rsplit(".", 1)[0]
    kit.expect(any(f'="{series}.' in sample for sample in metrics
                   if sample.startswith("kabridge_build_info")),
               f"runs on librdkafka {series}")
    kit.expect(members[1].stop() == 0, "one leaves with 0")
    records = kit.tool_finish(feeder).records
    kit.caught_up(members[0], source)
    kit.expect(members[0].stop() == 0, "the other leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True,
                         order="key"))


@test("three members come and go, newer librdkafka", "groups", alone=True)
def churn_with_a_newer_library(kit):
    churn(kit, 15, {"LD_LIBRARY_PATH": str(newer_library())})


def epoch(bridge):
    """The member's, as of its last heartbeat in its log; 0: none yet."""
    found = re.findall(r"ConsumerGroupHeartbeat response .* epoch (\d+)",
                       bridge.log)
    return int(found[-1]) if found else 0


def busy_and_idle(kit, source, sink):
    """Of two members under exactly-once one gets the only partition. The
    idle one, ready all the same, has raised the other's epoch, of which no
    rebalance event tells who keeps what it has."""
    busy, idle = (kit.bridge(source, sink, name, delivery="exactly-once",
                             consumer_group_protocol="consumer",
                             consumer_debug="cgrp", environment={
                                 "LD_LIBRARY_PATH": str(newer_library())})
                  for name in ("busy", "idle"))
    busy.sections["log"]["level"] = "debug"
    busy.write_config()
    busy.start()
    kit.expect(wait_for(lambda: busy.partitions() == 1, 30),
               "one has the partition")
    kit.goes_on(busy, "it got it")
    before = epoch(busy)
    idle.start()
    kit.expect(wait_for(lambda: epoch(busy) > before > 0, 20),
               f"its epoch {before} is raised to {epoch(busy)}")
    kit.expect(wait_for(lambda: idle.get("/ready")[0] == 200, 20),
               "the other one has nothing to do, and is ready")
    kit.goes_on(busy, "that")
    return busy, idle


@test("KIP-848, exactly once: a member joins and gets nothing", "groups",
      lively)
def an_idle_member_aborts_no_transaction(kit):
    source, sink = kit.topic(1), kit.topic(1)
    feeder = kit.tool_start("generate", topic=source, rate=1000, seconds=90)
    busy, idle = busy_and_idle(kit, source, sink)
    kit.expect(busy.stop() == 0, "it leaves with 0")
    kit.expect(wait_for(lambda: idle.partitions() == 1, 30),
               "the other one gets the partition")
    kit.goes_on(idle, "it got it")
    feeder.terminate()
    records = kit.tool_finish(feeder).records
    kit.caught_up(idle, source)
    kit.expect(idle.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True))


@test("KIP-848, exactly once: a member sleeps past its session", "groups",
      lively)
def a_zombie_of_the_new_group_protocol_commits_nothing(kit):
    source, sink = kit.topic(1), kit.topic(1)
    feeder = kit.tool_start("generate", topic=source, rate=1000, seconds=90)
    zombie, heir = busy_and_idle(kit, source, sink)
    zombie.signal(signal.SIGSTOP)
    kit.expect(wait_for(lambda: heir.partitions() == 1, SESSION_S * 3),
               "the other one gets the partition")
    kit.goes_on(heir, "it got it", 30)
    zombie.signal(signal.SIGCONT)
    kit.expect(wait_for(lambda: zombie.metrics().total(
        "rebalances_total", kind="lost") == 1, 20), "it has lost it")
    feeder.terminate()
    records = kit.tool_finish(feeder).records
    kit.caught_up(heir, source)
    kit.expect([zombie.stop(), heir.stop()] == [0, 0], "both leave with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True))


@test("three members come and go, KIP-848, exactly once", "groups", lively,
      alone=True)
def churn_with_the_new_group_protocol(kit):
    churn(kit, 20, {"LD_LIBRARY_PATH": str(newer_library())},
          consumer_group_protocol="consumer", delivery="exactly-once")
