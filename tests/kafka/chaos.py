# SPDX-License-Identifier: Apache-2.0
"""Everything goes wrong at random for a fixed time, then must come right."""
import os
import time

from harness import test
from storm import SESSION_S, Storm


def seconds():
    return int(os.environ.get("KABRIDGE_CHAOS_SECONDS", "45"))


def seed():
    return int(os.environ.get("KABRIDGE_CHAOS_SEED",
                              str(time.time_ns() % 1000000)))


def chaos(kit, delivery, order, **function):
    """Some calls take longer than they may: they are abandoned, and answer
    when the record is called again, or is another member's."""
    storm = Storm(kit, seed(), delivery=delivery, order=order,
                  call_timeout="300ms", function_slow=30,
                  function_slow_time="1s", look_every_s=2, **function)
    kit.note(f"seed {storm.seed}: KABRIDGE_CHAOS_SEED={storm.seed}")
    storm.blow(seconds())
    storm.settle()
    storm.judge()
    for what in "out of time", "late":
        kit.expect(storm.seen[what] > 0, f"calls {what}: "
                   f"{storm.seen[what]:.0f}")


def chaos_exactly(kit, order, **function):
    """A transaction has less time than a session, so that it ends by its
    time also where its owner stays a member."""
    chaos(kit, "exactly-once", order, transaction_s=SESSION_S // 2,
          **function)


@test("chaos, at least once, unordered", "chaos")
def chaos_at_least_once(kit):
    chaos(kit, "at-least-once", "unordered", function_fail=30,
          function_retry=3, function_silent=1)


@test("chaos, at least once, order by key, poison records", "chaos")
def chaos_by_key(kit):
    chaos(kit, "at-least-once", "key", function_fail=20, function_async=True)


@test("chaos, exactly once, order by key", "chaos")
def chaos_exactly_once(kit):
    chaos_exactly(kit, "key", function_fail=20, function_retry=2)


@test("chaos, exactly once, ordered", "chaos")
def chaos_exactly_once_ordered(kit):
    chaos_exactly(kit, "ordered", function_fail=20)
