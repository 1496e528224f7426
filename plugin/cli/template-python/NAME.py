"""The function @NAME@: adds what a payment is worth in cents.

kabridge starts this file and calls add_cents() with a list of records. What
it returns has one element for each: bytes (the output's value), None (no
output), or Output, Drop, Pass, Retry, Reject.
"""
import json

from kabridge import Reject, run


def add_cents(records):
    return [answer(record) for record in records]


def answer(record):
    """One record's output, or the reason why there can be none."""
    try:
        payment = json.loads(record.value)
        payment["cents"] = round(payment["amount"] * 100)
    except (ValueError, KeyError, TypeError) as error:
        return Reject(f"no payment: {error!r}")
    return json.dumps(payment).encode()


if __name__ == "__main__":
    run(add_cents)
