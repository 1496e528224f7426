# SPDX-License-Identifier: Apache-2.0
"""What becomes of records that fail, and of a service that refuses."""
import signal
import time

from broker import Broker
from harness import test, wait_for

PREFIX = "__kabridge.errors."


def headers_of(letter):
    return {header["name"]: bytes.fromhex(header["value"]).decode()
            for header in letter["headers"]
            if header["name"].startswith("__kabridge.")}


@test("one poison record in 256", "failure")
def poison_goes_to_the_dead_letters(kit):
    source, sink, dead = kit.topic(), kit.topic(), kit.topic(1)
    marks = dict(mark="P", mark_every=256)
    kit.tool("generate", topic=source, records=50000, **marks)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead, order="key",
                        batch_count=256, retry_backoff="10ms").start()
    kit.caught_up(bridge, source)
    poison = -(-50000 // 256)
    metrics = bridge.metrics()
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=50000,
                      bytes=True, order="key", **marks)
    kit.arrived(counts)
    kit.expect(counts.dead == poison, f"{counts.dead} dead letters of "
               f"{poison} poison records")
    calls = metrics.total("calls_total")
    kit.expect(calls < 50000 / 256 + poison * 20, f"{calls:.0f} calls")


@test("dead letters are exact", "failure")
def dead_letters_are_exact(kit):
    source, sink, dead = kit.topic(2), kit.topic(2), kit.topic(1)
    marks = dict(mark="R", mark_every=100, mark_first=7)
    kit.tool("generate", topic=source, records=1000, spread=True, **marks)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead).start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=1000, **marks)
    kit.arrived(counts)
    inputs = {(r["partition"], r["offset"]): r for r in kit.dump(source)}
    letters = kit.dump(dead)
    kit.expect(len(letters) == 10, f"{len(letters)} dead letters of 10")
    exact = 0
    for letter in letters:
        found = headers_of(letter)
        origin = inputs[int(found[PREFIX + "partition"]),
                        int(found[PREFIX + "offset"])]
        wanted = {
            "topic": source, "partition": str(origin["partition"]),
            "offset": str(origin["offset"]),
            "timestamp": str(origin["timestamp"]), "group": bridge.group,
            "binding": "b", "stage": "function", "attempts": "1",
            "class": "rejected", "message": "chaos: rejected"}
        same = found == {PREFIX + k: v for k, v in wanted.items()}
        same = same and all(letter[k] == origin[k]
                            for k in ("key", "value", "timestamp"))
        if not same:
            kit.note(f"found {found}, wanted {wanted}")
        exact += same
    kit.expect(exact == 10, f"{exact} of 10 have exact headers, key, value "
               "and timestamp")


@test("classes and stages of dead letters", "failure")
def dead_letters_say_why(kit):
    for mark, stage, cause, calls in (
            ("I", "decode", "rejected", "1"),
            ("P", "function", "permanent", None),
            ("T", "function", "permanent", None),
            ("E", "function", "transient", None)):
        source, sink, dead = kit.topic(1), kit.topic(1), kit.topic(1)
        kit.tool("generate", topic=source, records=64, mark=mark,
                 mark_first=9, mark_every=1000)
        bridge = kit.bridge(source, sink, dead_letter_topic=dead,
                            retry_backoff="5ms", retry_max_attempts=3).start()
        kit.caught_up(bridge, source)
        bridge.stop()
        letters = kit.dump(dead)
        found = headers_of(letters[0]) if letters else {}
        kit.expect(len(letters) == 1
                   and found.get(PREFIX + "stage") == stage
                   and found.get(PREFIX + "class") == cause
                   and calls in (None, found.get(PREFIX + "attempts")),
                   f"{mark}: stage {stage}, class {cause}: {found}")
        counts = kit.tool("check", topic=sink, also=dead, records=64)
        kit.expect(counts.lost == counts.doubled == 0,
                   f"{mark}: its neighbours are done")


@test("a call that does not answer in time", "failure")
def a_timeout_is_a_dead_letter(kit):
    source, sink, dead = kit.topic(1), kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=64, mark="H", mark_first=20,
             mark_every=1000)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead,
                        call_timeout="300ms", function_hold_time="1s",
                        retry_backoff="5ms", retry_max_attempts=2).start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.metrics().total("call_faults_total", kind="late") > 0,
               "late answers are counted")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    letters = kit.dump(dead)
    found = headers_of(letters[0]) if letters else {}
    kit.expect(len(letters) == 1 and found[PREFIX + "class"] == "timeout",
               f"one dead letter, class timeout: {found}")
    kit.arrived(kit.tool("check", topic=sink, also=dead, records=64))


@test("a service that refuses for a while", "failure")
def overload_makes_no_dead_letters(kit):
    source, sink, dead = kit.topic(), kit.topic(), kit.topic(1)
    refuse = kit.folder / "refuse"
    refuse.touch()
    kit.tool("generate", topic=source, records=20000)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead,
                        function_refuse=refuse, retry_max_attempts=2,
                        retry_backoff="10ms", retry_backoff_max="500ms")
    bridge.start()
    # Ten calls are enough for the longest back-off, and six more meet it.
    kit.expect(wait_for(lambda: bridge.metrics().total(
        "calls_total", result="overload") >= 16, 15), "it tries all the while")
    answer = bridge.get("/ready")
    kit.expect(answer and answer[0] == 503, f"not ready: {answer}")
    refuse.unlink()
    # One back-off later, which is at most 500 ms and its jitter.
    kit.goes_on(bridge, "the last refusal", 2.5)
    kit.caught_up(bridge, source)
    kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200, 20),
               "ready again")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=20000,
                      bytes=True)
    kit.arrived(counts)
    kit.expect(counts.dead == 0, f"{counts.dead} dead letters")


@test("a record too large for the output topic", "failure")
def a_too_large_output_is_a_dead_letter(kit):
    source = kit.topic(1)
    sink, dead = kit.topic(1, max_message_bytes=5000), kit.topic(1)
    kit.tool("generate", topic=source, records=800, pattern="mixed")
    bridge = kit.bridge(source, sink, dead_letter_topic=dead).start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=800,
                      pattern="mixed", bytes=True)
    kit.arrived(counts)
    kit.expect(counts.dead == 100, f"{counts.dead} dead letters of 100")
    stages = {headers_of(letter)[PREFIX + "stage"]
              for letter in kit.dump(dead)}
    kit.expect(stages == {"produce"}, f"stage produce: {stages}")


@test("max.message.bytes of the output is raised meanwhile", "failure")
def a_raised_limit_is_seen(kit):
    """Asked again before a record is refused, and not before 5 s have
    passed since it was asked last."""
    source, dead = kit.topic(1), kit.topic(1)
    sink = kit.topic(1, max_message_bytes=5000)
    kit.tool("generate", topic=source, records=800, pattern="mixed")
    bridge = kit.bridge(source, sink, dead_letter_topic=dead).start()
    kit.caught_up(bridge, source)
    kit.expect(len(kit.dump(dead)) == 100, "100 are too large at first")
    kit.tool("alter", topic=sink, property="max.message.bytes", value=200000)
    time.sleep(6)
    kit.tool("generate", topic=source, records=800, pattern="mixed",
             **{"from": 800})
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    counts = kit.tool("check", topic=sink, also=dead, records=1600,
                      pattern="mixed", bytes=True)
    kit.arrived(counts)
    kit.expect(counts.dead == 100, f"{counts.dead} dead letters of 100")


@test("the output topic is deleted, and made again", "failure")
def a_deleted_output_fails_no_record(kit):
    for option in ({"on_failure": "drop"}, {"dead_letter_topic": None}):
        source, sink, dead = kit.topic(2), kit.topic(2), kit.topic(1)
        option = {key: value or dead for key, value in option.items()}
        kit.tool("generate", topic=source, records=1000)
        bridge = kit.bridge(source, sink, **option).start()
        kit.caught_up(bridge, source)
        kit.tool("delete", topic=sink)
        kit.tool("generate", topic=source, records=1000, **{"from": 1000})
        kit.expect(wait_for(lambda: f"topic {sink} does not exist yet" in
                            (bridge.get("/ready") or (0, ""))[1], 30),
                   "waits for the topic")
        kit.tool("create", topic=sink, partitions=2)
        kit.caught_up(bridge, source)
        finished = bridge.metrics().total("records_finished_total",
                                          outcome="done")
        kit.expect(finished == 2000, f"{finished:.0f} of 2000 are done")
        kit.expect(bridge.stop() == 0, "leaves with 0")
        kit.expect(len(kit.dump(dead)) == 0, "no dead letters")
        # What was produced before went with the topic.
        counts = kit.tool("check", topic=sink, records=2000)
        kit.expect(counts.read == 1000, f"{counts.read} of 1000 results")


def recreate(kit, delivery):
    source, sink = kit.topic(2), kit.topic(2)
    kit.tool("generate", topic=source, records=1000)
    bridge = kit.bridge(source, sink, delivery=delivery).start()
    kit.caught_up(bridge, source)
    kit.tool("delete", topic=source)
    kit.expect(wait_for(lambda: "does not exist" in
                        (bridge.get("/ready") or (0, ""))[1], 30),
               "the deletion shows")
    kit.tool("create", topic=source, partitions=2)
    kit.tool("generate", topic=source, records=3000, **{"from": 1000})
    kit.caught_up(bridge, source)
    kit.expect(bridge.log.count("was deleted and created again") == 1,
               "the log says so, once")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=4000))


@test("the input topic is deleted, and made again with records", "failure")
def a_recreated_input_is_read_from_its_beginning(kit):
    recreate(kit, "at-least-once")


@test("the input topic is made again, under exactly-once", "failure")
def a_recreated_input_is_read_once(kit):
    recreate(kit, "exactly-once")


@test("every fault of a function and a group, in one run", "failure")
def what_happened_is_counted(kit):
    source, sink = kit.topic(4), kit.topic(4)
    held = dict(mark="H", mark_first=2000, mark_every=10 ** 9)
    feeder = kit.tool_start("generate", topic=source, rate=1000, seconds=40,
                            **held)
    one, two = (kit.bridge(
        source, sink, name, function_retry=5, function_silent=5,
        function_hold_time="4s", retry_backoff="10ms",
        consumer_session_timeout_ms=6000, consumer_heartbeat_interval_ms=1000)
        for name in ("one", "two"))
    one.start()
    kit.expect(wait_for(lambda: one.metrics().total(
        "oldest_unfinished_seconds") > 1, 20), "the age of a record in a call")
    two.start()
    kit.expect(wait_for(lambda: one.partitions() == two.partitions() == 2,
                        20), "two partitions each")
    one.signal(signal.SIGSTOP)
    kit.expect(wait_for(lambda: two.partitions() == 4, 30),
               "one stands still past its session, the other has all")
    one.signal(signal.SIGCONT)
    kit.expect(wait_for(lambda: one.partitions() == 2, 30), "one is back")
    metrics = one.metrics()
    for name, label in (("records_retried_total", {}),
                        ("call_faults_total", {"kind": "no_answer"}),
                        ("commits_total", {"result": "ok"}),
                        ("rebalances_total", {"kind": "revoked"}),
                        ("rebalances_total", {"kind": "lost"}),
                        ("rebalance_seconds_count", {}),
                        ("rebalance_seconds_sum", {})):
        found = metrics.total(name, **label)
        words = " ".join((name, *label.values()))
        kit.expect(found > 0, f"{words}: {found:.3g}")
    records = kit.tool_finish(feeder).records
    kit.caught_up(two, source)
    kit.expect([m.stop() for m in (one, two)] == [0, 0], "both leave with 0")
    kit.expect(kit.tool("check", topic=sink, records=records).lost == 0,
               "nothing is lost")


@test("kabridge dlq replay sends dead letters back", "failure")
def replay_sends_records_back(kit):
    source, sink, dead = kit.topic(2), kit.topic(2), kit.topic(1)
    marks = dict(mark="Q", mark_every=50)
    kit.tool("generate", topic=source, records=1000, **marks)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead,
                        retry_max_attempts=1, bisect="false",
                        batch_count=1).start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.expect(len(kit.dump(dead)) == 20, "20 dead letters")
    bridge.binding["function"] = "identity"
    for key in list(bridge.binding):
        if key.startswith("function."):
            del bridge.binding[key]
    bridge.write_config()
    done = kit.command("dlq", "list", bridge.config_path)
    kit.expect(done.returncode == 0, "list leaves with 0")
    done = kit.command("dlq", "replay", bridge.config_path)
    kit.expect(done.returncode == 0, f"replay leaves with 0 {done.stderr}")
    bridge.start()
    kit.caught_up(bridge, source)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=1000, **marks))
    done = kit.command("dlq", "replay", bridge.config_path)
    kit.expect(done.returncode == 0 and kit.tool(
        "wait", topic=source, end=1020, seconds=0).end == 1020,
        "a second replay sends nothing")


def frugal_broker():
    return Broker(more="offset.metadata.max.bytes=200\n")


@test("a broker that takes little metadata with an offset", "failure",
      frugal_broker)
def less_metadata_is_committed(kit):
    """One record of 20 waits for a second while its neighbours are finished:
    thousands of intervals."""
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=20000)
    bridge = kit.bridge(source, sink, function_silent=50,
                        retry_backoff="1s", retry_backoff_max="1s",
                        retry_max_attempts=0).start()
    kit.caught_up(bridge, source)
    metrics = bridge.metrics()
    refused = metrics.total("commits_total", result="metadata_too_large")
    kit.expect(0 < refused < 20, f"{refused:.0f} commits held too much: each "
               "halves what the next ones hold")
    left_out = metrics.total("commit_intervals_left_out_total")
    kit.expect(left_out > 0, f"{left_out:.0f} intervals had no room")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=20000, bytes=True))
