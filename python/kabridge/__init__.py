# SPDX-License-Identifier: Apache-2.0
"""Batch functions for kabridge, in Python.

    from kabridge import Reject, run

    def score(records):
        return [b"..." for record in records]

    run(score)

The bridge starts this as `function.command = python3 score.py` of the
function `worker`. `python -m kabridge check score.py FILE` runs it over the
lines of a file, without Kafka or a bridge.
"""
from .records import (INPUT_KEY, Drop, Fatal, Output, Overload, Pass, Record,
                      Reject, Result, Retry)
from .runner import each, run
from .version import VERSION

__version__ = VERSION

__all__ = ["Drop", "Fatal", "INPUT_KEY", "Output", "Overload", "Pass",
           "Record", "Reject", "Result", "Retry", "each", "run"]
