# SPDX-License-Identifier: Apache-2.0
"""Bounds: memory, time, processor, with a function at its worst."""
import re
import time

from crowd import Crowd
from harness import size, test, wait_for

MIB = 1 << 20


@test("2,000,000 records, a function that never answers", "reach")
def memory_is_bounded(kit):
    source, sink, log = kit.topic(), kit.topic(), kit.folder / "calls"
    kit.tool("generate", topic=source, records=2000000)
    per_partition, buffer = 4 * MIB, 64 * MIB
    bridge = kit.bridge(
        source, sink, function_never=True, call_timeout=0, function_log=log,
        batch_count=5000, max_in_flight=50, buffer_bytes=buffer,
        consumer_max_poll_interval_ms=6000, rebalance_drain_timeout="2s",
        consumer_session_timeout_ms=6000, shutdown_timeout="1s",
        consumer_queued_max_messages_kbytes=per_partition // 1024).start()
    kit.expect(wait_for(lambda: size(log), 20), "the function was called")
    peak, end = 0, time.monotonic() + 15
    while time.monotonic() < end:
        peak = max(peak, bridge.rss_bytes())
        time.sleep(0.2)
    bound = buffer + 8 * per_partition + 50 * MIB
    kit.expect(peak < bound, f"RSS {peak / MIB:.0f} MiB, bound "
               f"{bound / MIB:.0f} MiB")
    held = bridge.metrics().total("buffer_bytes")
    kit.expect(buffer / 2 < held <= buffer + MIB,
               f"held {held / MIB:.1f} MiB of {buffer / MIB:.0f}")
    group = kit.tool("group", topic=source, group=bridge.group)
    kit.expect(group.state == "Stable" and len(group.members) == 1
               and group.members[0]["partitions"] == 8,
               "still in its group past max.poll.interval.ms")
    kit.expect(bridge.stop() == 75, "leaves with 75")


def straggler(kit, records, hold, flat, part):
    """One record takes `hold` while the others pass beside it, in at most
    `part` more time and a second's start."""
    def one_run(mark):
        source, sink = kit.topic(), kit.topic()
        kit.tool("generate", topic=source, records=records, **mark)
        bridge = kit.bridge(
            source, sink, function_hold_time=f"{hold}s",
            call_timeout=f"{hold + 30}s", batch_count=64, max_in_flight=8)
        bridge.start()
        peak, begin = 0, time.monotonic()
        while kit.tool("wait", topic=sink, end=records - 64,
                       seconds=0.2).end < records - 64:
            peak = max(peak, bridge.rss_bytes())
            if time.monotonic() - begin > hold + 60:
                break
        took = time.monotonic() - begin
        kit.caught_up(bridge, source, hold + 30)
        total = time.monotonic() - begin
        kit.expect(bridge.stop() == 0, "leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=records, **mark))
        return took, total, peak

    plain = one_run({})
    held = one_run(dict(mark="H", mark_first=records // 20,
                        mark_every=10 ** 9))
    kit.expect(held[1] > hold, f"one call took {hold} s")
    kit.expect(held[0] < plain[0] * (1 + part) + 1,
               f"the others passed in {held[0]:.1f} s, without it in "
               f"{plain[0]:.1f} s")
    kit.expect(held[2] < plain[2] + flat, f"RSS at most {held[2] / MIB:.0f} "
               f"MiB, without it {plain[2] / MIB:.0f} MiB")


@test("one record takes 10 s while 300,000 pass", "reach")
def a_straggler_stops_nobody(kit):
    straggler(kit, 300000, 10, 64 * MIB, 0.5)


@test("one record takes 30 s while 1,000,000 pass", "long")
def a_long_straggler_stops_nobody(kit):
    straggler(kit, 1000000, 30, 30 * MIB, 0.05)


@test("one call takes 8 s while others pass, stall.timeout is 2 s", "reach")
def a_position_that_stands_still_is_told(kit):
    source, sink = kit.topic(1), kit.topic()
    feeder = kit.tool_start("generate", topic=source, rate=500, seconds=8,
                            mark="H", mark_first=500, mark_every=10 ** 9)
    bridge = kit.bridge(source, sink, function_hold_time="8s",
                        stall_timeout="2s", batch_count=64,
                        max_in_flight=8).start()
    told = f"{source} [0] has not moved for"
    kit.expect(wait_for(lambda: told in (bridge.get("/ready") or (0, ""))[1],
                        20), "not ready, and the partition is named")
    reason = (bridge.get("/ready") or (0, ""))[1]
    found = re.search("offset (\\d+) is called and waits for the function's "
                      "answer", reason)
    kit.expect(found and 500 - 64 < int(found[1]) <= 500,
               f"so is the first record of its call: {reason.strip()}")
    records = kit.tool_finish(feeder).records
    kit.caught_up(bridge, source)
    kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 20),
               "ready again")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, mark="H",
                         mark_first=500, mark_every=10 ** 9))


@test("300,000 records in one partition", "reach")
def a_backlog_of_one_partition_is_fetched_without_pauses(kit):
    """Fetchers of librdkafka before 2.2 sleep up to a second when a queue was
    full: 7 s for all."""
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=300000)
    bridge = kit.bridge(source, sink).start()
    kit.tool("wait", topic=sink, end=1, seconds=30)
    got = kit.tool("wait", topic=sink, end=300000, seconds=30)
    kit.expect(got.reached and got.seconds < 4,
               f"all were done after {got.seconds:.1f} s")
    kit.expect(bridge.stop() == 0, "leaves with 0")


@test("200,000 records in one partition, one record in another", "reach")
def a_backlog_stops_no_other_partition(kit):
    for order in "unordered", "partition":
        many, one, sink = kit.topic(1), kit.topic(1), kit.topic()
        kit.tool("generate", topic=many, records=200000)
        bridge = kit.bridge(
            f"{many}, {one}", sink, order, group=f"group-{many}", order=order,
            function_delay="500ms").start()
        kit.expect(wait_for(lambda: bridge.partitions() == 2, 20), "assigned")
        kit.tool("wait", topic=sink, end=1000, seconds=30)
        kit.tool("generate", topic=one, records=1, **{"from": 500000})
        got = kit.wait_lag(bridge, one, 20)
        kit.expect(got.reached and got.seconds < 4,
                   f"{order}: the one was done after {got.seconds:.1f} s")
        kit.expect(bridge.stop() == 0, "leaves with 0")


@test("one key is held for 15 s while the others go on", "reach")
def a_held_key_starves_no_other(kit):
    """Its batch is of 16 lanes of 4096 at most: with what waits in them 120
    records, of 256 that may wait in a partition."""
    records, keys, batch, hold = 30000, 5000, 16, 15
    others = records - 300
    source, sink = kit.topic(), kit.topic()
    held = dict(mark="H", mark_first=1000, mark_every=10 ** 9, keys=keys)
    kit.tool("generate", topic=source, records=records, **held)
    bridge = kit.bridge(source, sink, order="key", batch_count=batch,
                        max_in_flight=8, function_hold_time=f"{hold}s").start()
    got = kit.tool("wait", topic=sink, end=others, seconds=hold + 30)
    kit.expect(got.seconds < hold / 2, f"{got.end} of {records} are done in "
               f"{got.seconds:.1f} s")
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, order="key",
                         **held))


@test("two bindings, one whose function never answers", "reach")
def a_binding_that_hangs_stops_no_other(kit):
    stuck, source, sink = kit.topic(4), kit.topic(4), kit.topic(4)
    log = kit.folder / "calls"
    for topic in stuck, source:
        kit.tool("generate", topic=topic, records=50000)
    bridge = kit.bridge(stuck, sink, function_never=True, call_timeout=0,
                        function_log=log, shutdown_timeout="1s")
    bridge.sections["binding second"] = {
        "input.topics": source, "output.topic": sink, "function": "identity",
        "group": f"second-{source}"}
    bridge.write_config()
    bridge.start()
    got = kit.tool("wait", topic=source, group=f"second-{source}",
                   committed=50000, lag=0, seconds=60)
    kit.expect(got.reached and got.seconds < 15,
               f"the other has done all in {got.seconds:.1f} s")
    kit.expect(wait_for(lambda: size(log), 30),
               "while the function of the first was called")
    kit.expect(bridge.stop() == 75, "leaves with 75")
    kit.arrived(kit.tool("check", topic=sink, records=50000, bytes=True))


@test("1,000 idle connections and slow readers at the admin server", "reach",
      alone=True)
def a_crowd_at_the_admin_server_slows_no_record(kit):
    """In processor time a record: a rate also has what others do in it. The
    bound is wide; bench/run.sh admin measures."""
    records, source = 300000, kit.topic()
    kit.tool("generate", topic=source, records=records)

    def microseconds(crowded):
        sink = kit.topic()
        bridge = kit.bridge(source, sink, sink, group=f"group-{sink}",
                            function="identity").start()
        kit.expect(wait_for(lambda: bridge.get("/live"), 20), "it listens")
        crowd = Crowd(bridge.admin) if crowded else None
        kit.caught_up(bridge, source)
        used = bridge.cpu_seconds()
        if crowd:
            begin = time.monotonic()
            live = wait_for(lambda: bridge.get("/live"), 20)
            kit.note(f"/live said {live and live[0]} after "
                     f"{time.monotonic() - begin:.1f} s")
            kit.note(f"{crowd.stop()} came again")
        kit.expect(bridge.stop() == 0, "leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=records))
        return used / records * 1e6

    runs = [(microseconds(False), microseconds(True)) for _ in range(2)]
    alone, beside = (min(each) for each in zip(*runs))
    kit.expect(beside < 1.5 * alone + 0.5, f"{beside:.2f} µs a record, "
               f"{alone:.2f} without them")


@test("an idle bridge", "reach")
def idle_costs_nothing(kit):
    source, sink = kit.topic(), kit.topic()
    bridge = kit.bridge(source, sink, function="identity").start()
    kit.expect(wait_for(lambda: bridge.partitions() == 8, 20), "assigned")
    kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 20),
               "ready, with nothing to do")
    time.sleep(2)
    before, begin = bridge.cpu_seconds(), time.monotonic()
    time.sleep(15)
    used = (bridge.cpu_seconds() - before) / (time.monotonic() - begin)
    rss = bridge.rss_bytes()
    kit.expect(used < 0.01, f"{used * 100:.2f} % of a processor")
    kit.expect(rss < 20 * MIB, f"RSS {rss / MIB:.1f} MiB")
    kit.expect(bridge.stop() == 0, "leaves with 0")


@test("assignment to the first acknowledged output", "reach")
def the_first_output_comes_soon(kit):
    source = kit.topic()
    kit.tool("generate", topic=source, records=1000)
    took = []
    for i in range(3):
        sink = kit.topic(8, message_timestamp_type="LogAppendTime")
        bridge = kit.bridge(source, sink, f"run{i}", function="identity",
                            group=f"group-{sink}").start()
        assigned = wait_for(bridge.partitions, 20, 0.005)
        at = time.time()
        kit.expect(assigned, "assigned")
        kit.caught_up(bridge, source)
        kit.expect(bridge.stop() == 0, "leaves with 0")
        first = min(r["timestamp"] for r in kit.dump(sink)) / 1000
        took.append(first - at)
        kit.note(f"start to first output {first - bridge.started:.3f} s")
    kit.expect(min(took) < 0.3, f"{[round(t, 3) for t in took]} s")
