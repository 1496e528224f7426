# SPDX-License-Identifier: Apache-2.0
"""Everything goes wrong at random for a fixed time, then must come right."""
import os
import time

from harness import test
from storm import Storm


def seconds():
    return int(os.environ.get("KABRIDGE_CHAOS_SECONDS", "45"))


def seed():
    return int(os.environ.get("KABRIDGE_CHAOS_SEED",
                              str(time.time_ns() % 1000000)))


def chaos(kit, delivery, order, **function):
    storm = Storm(kit, seed(), delivery=delivery, order=order, **function)
    kit.note(f"seed {storm.seed}: KABRIDGE_CHAOS_SEED={storm.seed}")
    storm.blow(seconds())
    storm.settle()
    storm.judge()


@test("chaos, at least once, unordered", "chaos")
def chaos_at_least_once(kit):
    chaos(kit, "at-least-once", "unordered", function_fail=30,
          function_retry=3, function_silent=1)


@test("chaos, at least once, order by key, poison records", "chaos")
def chaos_by_key(kit):
    chaos(kit, "at-least-once", "key", function_fail=20, function_async=True)


@test("chaos, exactly once, order by key", "chaos")
def chaos_exactly_once(kit):
    chaos(kit, "exactly-once", "key", function_fail=20, function_retry=2)


@test("chaos, exactly once, ordered", "chaos")
def chaos_exactly_once_ordered(kit):
    chaos(kit, "exactly-once", "ordered", function_fail=20)
