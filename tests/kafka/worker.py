# SPDX-License-Identifier: Apache-2.0
"""Workers that crash, hang or never start, behind a real broker."""
import sys
from pathlib import Path

from failure import PREFIX, headers_of
from harness import test, wait_for

# Answers each record with its value; one with the mark K ends the process, one
# with the mark S says it can do no more and sleeps.
SCRIPT = """
import os, signal, sys, time
from kabridge import run

def score(records):
    for record in records:
        if b":K:" in record.value:
            print("this one is poison", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if b":S:" in record.value:
            time.sleep(3600)
    return [record.value for record in records]

run(score)
"""


def worker(kit, source, sink, script=SCRIPT, **options):
    path = Path(kit.folder) / "score.py"
    path.write_text(script)
    return kit.bridge(source, sink, function="worker",
                      function_command=f"{sys.executable} {path}", **options)


@test("a record that kills its worker is the only dead letter", "failure")
def a_record_that_kills_its_worker_is_the_only_dead_letter(kit):
    source, sink, dead = kit.topic(1), kit.topic(1), kit.topic(1)
    marks = dict(mark="K", mark_every=100000, mark_first=100)
    kit.tool("generate", topic=source, records=500, **marks)
    bridge = worker(kit, source, sink, dead_letter_topic=dead,
                    batch_count=64, retry_backoff="5ms",
                    function_workers=2).start()
    kit.caught_up(bridge, source, 120)
    ends = bridge.metrics().total("function_units_total", unit="worker_ends")
    kit.expect(5 <= ends <= 11, f"{ends:.0f} workers ended; log2 of 64 is 6")
    kit.expect(bridge.stop() == 0, "leaves with 0")
    letters = kit.dump(dead)
    found = headers_of(letters[0]) if letters else {}
    kit.expect(len(letters) == 1 and found[PREFIX + "class"] == "crash",
               f"one dead letter, class crash: {found}")
    message = found.get(PREFIX + "message", "")
    kit.expect("was killed by signal 9" in message and
               "this one is poison" in message,
               f"it says how the worker died: {message}")
    counts = kit.tool("check", topic=sink, also=dead, records=500)
    kit.expect(counts.lost == counts.doubled == 0, "its neighbours are done, "
               f"{counts.lost} lost, {counts.doubled} twice")


@test("a call that hangs costs its worker, and one dead letter", "failure")
def a_call_that_hangs_costs_its_worker(kit):
    source, sink, dead = kit.topic(1), kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=64, mark="S",
             mark_every=100000, mark_first=20)
    bridge = worker(kit, source, sink, dead_letter_topic=dead,
                    batch_count=4, call_timeout="2s", retry_backoff="5ms",
                    retry_max_attempts=2, function_workers=2).start()
    kit.caught_up(bridge, source, 120)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    letters = kit.dump(dead)
    found = headers_of(letters[0]) if letters else {}
    kit.expect(len(letters) == 1 and found[PREFIX + "class"] == "timeout",
               f"one dead letter, class timeout: {found}")
    counts = kit.tool("check", topic=sink, also=dead, records=64)
    kit.expect(counts.lost == 0, "its neighbours are done")


@test("a worker that is never ready makes no dead letter", "failure")
def a_worker_that_is_never_ready_makes_no_dead_letter(kit):
    source, sink, dead = kit.topic(1), kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=64)
    flag = Path(kit.folder) / "model"
    script = f"""
import os, sys
if not os.path.exists({str(flag)!r}):
    sys.exit("the model is missing")
""" + SCRIPT
    bridge = worker(kit, source, sink, script, dead_letter_topic=dead,
                    call_timeout="1s", retry_max_attempts=2).start()

    def says_why():
        answer = bridge.get("/ready")
        return answer and answer[0] == 503 and \
            "the model is missing" in answer[1]

    kit.expect(wait_for(says_why, 30), "it is not ready, and says why")
    called = wait_for(lambda: bridge.metrics().total(
        "calls_total", result="overload") >= 2, 30)
    kit.expect(called, "calls are refused, twice at least")
    flag.touch()
    kit.caught_up(bridge, source, 90)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.expect(not kit.dump(dead), "no dead letter")
    counts = kit.tool("check", topic=sink, records=64)
    kit.expect(counts.lost == 0, "every record is done")


@test("a command that does not exist stops its binding", "failure")
def a_command_that_does_not_exist_stops_its_binding(kit):
    source, sink = kit.topic(1), kit.topic(1)
    kit.tool("generate", topic=source, records=8)
    bridge = kit.bridge(source, sink, function="worker",
                        function_command="/does/not/exist").start()
    kit.expect(bridge.wait(60) == 69, "leaves with 69")
    kit.expect("found the command /does/not/exist" in bridge.log,
               "and says which command")
