# SPDX-License-Identifier: Apache-2.0
"""Nothing lost, nothing doubled, nothing changed, while nothing breaks."""
import signal
import time

from harness import size, test, wait_for

MILLION = 1000000


@test("a group beyond ASCII", "delivery")
def a_group_beyond_ascii_commits(kit):
    for delivery in "at-least-once", "exactly-once":
        source, sink = kit.topic(2), kit.topic(2)
        kit.tool("generate", topic=source, records=2000)
        bridge = kit.bridge(source, sink, delivery, delivery=delivery,
                            group=f"gröup-{source}").start()
        kit.caught_up(bridge, source, 20)
        kit.expect(bridge.stop() == 0, f"{delivery}: leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=2000, bytes=True))


@test("1,000,000 records over 8 partitions arrive once", "delivery")
def a_million_records_arrive_once(kit):
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=MILLION)
    bridge = kit.bridge(source, sink, order="key").start()
    kit.caught_up(bridge, source, 120)
    kit.expect(bridge.stop() == 0, "SIGTERM drains and leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=MILLION, bytes=True,
                         order="key"))


@test("outputs to topics that were created a moment ago", "delivery")
def what_is_sent_to_a_new_topic_arrives(kit):
    """KAB_QUIRK_FIRST_BATCH: its leaders may refuse one request and take the
    next. The bridges begin to send as soon as they see their topic."""
    source, records, n = kit.topic(1), 20000, 6
    sinks = [f"new-{source}-{i}" for i in range(n)]
    kit.tool("generate", topic=source, records=records)
    bridges = [kit.bridge(source, sink, group=sink, producer_linger_ms="0",
                          batch_count=50).start() for sink in sinks]
    for bridge in bridges:
        kit.expect(wait_for(lambda: "not exist" in bridge.log, 30),
                   f"{bridge.name} waits for its topic")
    for sink in sinks:
        kit.topic(64, sink)
    for bridge, sink in zip(bridges, sinks):
        kit.caught_up(bridge, source)
        kit.expect(bridge.stop() == 0, "leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True))


@test("SIGTERM with partial batches", "delivery")
def a_stop_repeats_nothing(kit):
    source, sink, log = kit.topic(), kit.topic(), kit.folder / "calls"
    records = 100000
    kit.tool("generate", topic=source, records=records)
    bridge = kit.bridge(source, sink, batch_count=1000, batch_period="never",
                        function_delay="20ms", function_log=log)
    statuses, spans = [], []
    for _ in range(4):
        end = size(log)
        bridge.start()
        wait_for(lambda: size(log) > end, 20)
        statuses.append(bridge.stop())
        spans.append(round(bridge.stopped_in_s, 2))
    kit.expect(statuses == [0] * 4, f"four stops leave with 0: {statuses}")
    kit.expect(max(spans) < 2, f"soon, calls taking 20 ms: {spans} s")
    bridge.binding["batch.period"] = "100ms"
    bridge.write_config()
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "the last stop leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=records, bytes=True))
    calls = kit.tool("calls", file=log, records=records)
    kit.expect(calls.repeated == 0, f"calls repeated {calls.repeated}")


@test("SIGTERM while a set waits a minute, and others an hour", "delivery")
def a_stop_waits_for_no_back_off_and_no_period(kit):
    for delivery in "at-least-once", "exactly-once":
        source, sink = kit.topic(1), kit.topic(1)
        log = kit.folder / delivery
        mark = dict(mark="Q", mark_first=3, mark_every=1000)
        kit.tool("generate", topic=source, records=150, **mark)
        bridge = kit.bridge(source, sink, delivery, delivery=delivery,
                            batch_count=100, batch_period="1h",
                            retry_backoff="1m", retry_backoff_max="1m",
                            function_log=log).start()
        kit.expect(wait_for(lambda: bridge.metrics().total(
            "records_finished_total") == 99, 20),
            f"{delivery}: 1 of 100 waits for its second call, and 50 for more")
        status = bridge.stop()
        kit.expect(status == 0 and bridge.stopped_in_s < 2,
                   f"{delivery}: leaves with {status} in "
                   f"{bridge.stopped_in_s:.2f} s")
        bridge.binding.update({"batch.period": "0", "retry.backoff": "10ms"})
        bridge.write_config()
        bridge.start()
        kit.caught_up(bridge, source)
        kit.expect(bridge.stop() == 0, "leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=150, **mark))
        calls = kit.tool("calls", file=log, records=150)
        kit.expect(calls.repeated == 2, "only the one that waited is called "
                   f"again, and asks for one call more: {calls.repeated}")


def bytes_pass(kit, delivery):
    source, sink = kit.topic(4), kit.topic(4)
    kit.tool("generate", topic=source, records=20000, pattern="mixed",
             spread=True)
    bridge = kit.bridge(source, sink, delivery=delivery,
                        output_partition="same").start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=20000, bytes=True,
                         pattern="mixed"))


@test("null keys, tombstones, empty values, repeated headers, binary",
      "delivery")
def every_shape_passes_byte_by_byte(kit):
    bytes_pass(kit, "at-least-once")


@test("null keys, tombstones and the rest, in transactions", "delivery")
def every_shape_passes_in_transactions(kit):
    bytes_pass(kit, "exactly-once")


def markers(kit, delivery):
    source, sink = kit.topic(4), kit.topic(4)
    made = kit.tool("generate", topic=source, records=20000, transaction=500,
                    abort_every=3, end="abort")
    bridge = kit.bridge(source, sink, delivery=delivery,
                        order="key").start()
    got = kit.wait_lag(bridge, source)
    kit.expect(got.reached, f"lag ends at {got.lag} behind a trailing marker")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.expect(made.aborted > 0, f"{made.aborted} records were aborted")
    kit.arrived(kit.tool("check", topic=sink, records=20000, bytes=True,
                         order="key"))


@test("input in transactions, some aborted, a marker at the end", "delivery")
def aborted_records_never_pass(kit):
    markers(kit, "at-least-once")


@test("input in transactions, some aborted, exactly once", "delivery")
def aborted_records_never_pass_in_transactions(kit):
    markers(kit, "exactly-once")


@test("200,000 records under exactly-once", "delivery")
def exactly_once_without_faults(kit):
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=200000)
    bridge = kit.bridge(source, sink, delivery="exactly-once",
                        order="key").start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=200000, bytes=True,
                         order="key"))


@test("order = ordered: calls overlap, outputs keep the partition's order",
      "delivery")
def ordered_outputs_keep_their_order(kit):
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=100000, spread=True)
    bridge = kit.bridge(source, sink, order="ordered", max_in_flight=8,
                        output_partition="same", function_delay="20ms",
                        function_fail=20, function_retry=2,
                        retry_backoff="10ms").start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=100000, bytes=True,
                         order="partition"))


@test("order = key and partition with slow and failing calls", "delivery")
def keyed_outputs_keep_their_order(kit):
    for order in "key", "partition":
        source, sink = kit.topic(), kit.topic()
        kit.tool("generate", topic=source, records=30000, keys=500)
        bridge = kit.bridge(source, sink, order=order, batch_count=64,
                            max_in_flight=8, function_delay="10ms",
                            function_fail=20, function_retry=2,
                            function_async=True, retry_backoff="10ms").start()
        kit.caught_up(bridge, source)
        kit.expect(bridge.stop() == 0, f"{order}: leaves with 0")
        kit.arrived(kit.tool("check", topic=sink, records=30000, bytes=True,
                             order=order, keys=500))


@test("start = latest takes only what comes after", "delivery")
def latest_skips_what_was_there(kit):
    source, sink = kit.topic(4), kit.topic(4)
    kit.tool("generate", topic=source, records=1000, **{"from": 500000})
    bridge = kit.bridge(source, sink, start="latest").start()
    got = kit.wait_lag(bridge, source)
    kit.expect(got.reached, "the end is committed before any record comes")
    kit.tool("generate", topic=source, records=5000)
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=5000, bytes=True))


@test("a committed offset that is gone", "delivery")
def out_of_range_goes_on_at_the_beginning(kit):
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=1000)
    bridge = kit.bridge(source, sink)
    kit.tool("commit", topic=source, group=bridge.group, offset=5000)
    bridge.start()
    kit.expect(wait_for(lambda: kit.tool(
        "wait", topic=sink, end=1000, seconds=0).reached, 20),
        "every record is taken")
    kit.expect("5000" in bridge.log, "the log names the offset")
    kit.caught_up(bridge, source)
    skipped = bridge.metrics().total("records_skipped_total",
                                     reason="out_of_range")
    kit.expect(skipped == 1, f"and is counted: {skipped:.0f}")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=1000))


@test("metadata of another program beside the offset", "delivery")
def foreign_metadata_is_no_obstacle(kit):
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=1000)
    bridge = kit.bridge(source, sink)
    kit.tool("commit", topic=source, group=bridge.group, offset=0,
             metadata="%% not ours AAAA==")
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=1000))


@test("two bindings in one process", "delivery")
def two_bindings_do_not_disturb_each_other(kit):
    source, middle, sink = kit.topic(4), kit.topic(4), kit.topic(4)
    kit.tool("generate", topic=source, records=50000)
    bridge = kit.bridge(source, middle)
    bridge.sections["binding second"] = {
        "input.topics": middle, "output.topic": sink,
        "function": "identity", "group": f"second-{middle}",
        "delivery": "exactly-once"}
    bridge.write_config()
    bridge.start()
    got = kit.tool("wait", topic=middle, group=f"second-{middle}",
                   committed=50000, lag=0)
    kit.expect(got.reached, f"both caught up ({got.committed} committed)")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=50000, bytes=True))


@test("SIGTERM twice", "delivery")
def a_second_sigterm_leaves_at_once(kit):
    source, sink, log = kit.topic(1), kit.topic(1), kit.folder / "calls"
    kit.tool("generate", topic=source, records=10)
    bridge = kit.bridge(source, sink, function_never=True, call_timeout=0,
                        function_log=log).start()
    kit.expect(wait_for(lambda: size(log), 20), "the function was called")
    bridge.signal(signal.SIGTERM)
    kit.expect(bridge.wait(1) is None, "the first one waits for the call")
    begin = time.monotonic()
    bridge.signal(signal.SIGTERM)
    status = bridge.wait(10)
    took = time.monotonic() - begin
    kit.expect(status == 75, f"the second one leaves with 75: {status}")
    kit.expect(took < 1, f"at once: {took:.2f} s")


@test("a call that is not finished within shutdown.timeout", "delivery")
def an_unfinished_stop_leaves_with_75(kit):
    source, sink, log = kit.topic(1), kit.topic(1), kit.folder / "calls"
    kit.tool("generate", topic=source, records=10)
    bridge = kit.bridge(source, sink, function_never=True, call_timeout=0,
                        function_log=log, shutdown_timeout="2s").start()
    kit.expect(wait_for(lambda: size(log), 20), "the function was called")
    begin = time.monotonic()
    status = bridge.stop()
    took = time.monotonic() - begin
    kit.expect(status == 75, f"leaves with 75: {status}")
    kit.expect(2 <= took < 5, f"after 2 s: {took:.1f} s")
    kit.expect("10" in bridge.log.splitlines()[-1] or "10 " in bridge.log,
               "stderr says how many come again")


@test("wrong usage, wrong configurations, missing topics", "delivery")
def exit_statuses_are_those_of_the_manual(kit):
    source, sink = kit.topic(1), kit.topic(1)
    kit.expect(kit.command("run").returncode == 64, "no file: 64")
    kit.expect(kit.command("run", "--nonsense").returncode == 64,
               "an unknown option: 64")
    bridge = kit.bridge(source, sink)
    done = kit.command("run", bridge.config_path, "--set", "nonsense")
    kit.expect(done.returncode == 64, "a malformed --set: 64")
    done = kit.command("run", kit.folder / "nothing.conf")
    kit.expect(done.returncode == 78, f"no such file: {done.returncode}")
    bridge.binding["batch.coutn"] = "secret"
    bridge.binding["batch.bytes"] = "many"
    bridge.write_config()
    done = kit.command("run", bridge.config_path)
    kit.expect(done.returncode == 78, "faults of the file: 78")
    kit.expect("batch.coutn" in done.stderr and "batch.count" in done.stderr
               and "batch.bytes" in done.stderr,
               "all at once, with the nearest known key")
    kit.expect("secret" not in done.stderr, "without an unknown key's value")
    bridge = kit.bridge(source, sink, function="no-such-function")
    done = kit.command("run", bridge.config_path)
    kit.expect(done.returncode == 78, f"no such module: {done.returncode}")
    bridge = kit.bridge(source, sink, function_speed=7)
    done = kit.command("run", bridge.config_path)
    kit.expect(done.returncode == 78 and "function.speed" in done.stderr,
               "an option the function does not have: 78")


@test("on.failure = stop", "delivery")
def a_failed_record_stops_the_binding(kit):
    source, sink = kit.topic(1), kit.topic(1)
    bad = 5000
    kit.tool("generate", topic=source, records=20000, mark="R",
             mark_first=bad, mark_every=10 ** 9)
    bridge = kit.bridge(source, sink, on_failure="stop",
                        batch_count=100).start()
    status = bridge.wait(30)
    kit.expect(status == 69, f"leaves with 69: {status}")
    kit.expect("chaos: rejected" in bridge.log,
               "stderr has the reason")
    kit.expect(f"pass it: kabridge skip CONFIG --binding b --topic {source} "
               f"--partition 0 --offset {bad}\n" in bridge.log,
               "and the command that passes the record")
    got = kit.tool("group", group=bridge.group, topic=source)
    committed = got.partitions[0]["committed"]
    kit.expect(committed == bad, f"committed {committed}: what was finished "
               f"before record {bad}, and nothing past it")
    bridge = kit.bridge(source, sink, on_failure="drop").start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "on.failure = drop goes on")
    kit.arrived(kit.tool("check", topic=sink, records=20000, bytes=True,
                         mark="R", mark_first=bad, mark_every=10 ** 9,
                         dropped="R"))


@test("a function that answers that it cannot go on", "delivery")
def a_fatal_answer_stops_the_binding(kit):
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=2000, mark="F",
             mark_first=1500, mark_every=10 ** 9)
    bridge = kit.bridge(source, sink, batch_count=100).start()
    status = bridge.wait(30)
    kit.expect(status == 69, f"leaves with 69: {status}")
    got = kit.tool("group", group=bridge.group, topic=source)
    committed = got.partitions[0]["committed"]
    kit.expect(1300 <= committed <= 1500, f"committed {committed} of 1500")


@test("a broker that is not there is waited for", "delivery")
def an_unreachable_broker_is_waited_for(kit):
    bridge = kit.bridge("nowhere", "nowhere-out")
    bridge.sections["kafka"]["bootstrap.servers"] = "127.0.0.1:9"
    bridge.write_config()
    bridge.start()
    ready = wait_for(lambda: (bridge.get("/ready") or (0, ""))[0] == 503, 10)
    kit.expect(ready, "not ready")
    kit.expect((bridge.get("/live") or (0, ""))[0] == 200, "live")
    kit.expect(bridge.alive, "still running")
    kit.expect(bridge.stop() == 0, "leaves with 0")
