# SPDX-License-Identifier: Apache-2.0
"""Scores payments, a batch at a time."""
import json

from kabridge import Drop, Output, Reject, run


def score(records):
    return [answer(record) for record in records]


def answer(record):
    if record.value is None:
        return Drop()  # a tombstone
    try:
        payment = json.loads(record.value)
        payment["score"] = min(payment["amount"] / 1000, 1)
    except (ValueError, KeyError, TypeError):
        return Reject("no JSON with an amount")
    is_large = payment["amount"] > 1000
    return Output(json.dumps(payment), headers={"large": b"1"} if is_large else {})


run(score)
