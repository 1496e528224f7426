# SPDX-License-Identifier: Apache-2.0
"""Exceptions of the function, told in the worker's standard error.

A function that fails at each call would fill the bridge's log with one
traceback: it is printed once, then a line now and then says how often.
"""
from __future__ import annotations

import sys
import threading
import time
import traceback
from typing import Callable, Dict, Optional, Tuple

from .frames import say

PAUSE_SECONDS = 10.0
# Kinds that are remembered; a function that raises more begins anew.
MOST_KINDS = 256

# Frames that tell two mistakes apart, from the innermost; a recursion has more.
MOST_FRAMES = 100

Kind = Tuple[type, Tuple[Tuple[str, int], ...]]


def _kind(error: BaseException) -> Kind:
    """The same mistake: its type, where it was raised, and on whose behalf; a
    library raises for many callers."""
    places = []
    cause: Optional[BaseException] = error
    while cause and len(places) < MOST_FRAMES:
        frames = list(traceback.walk_tb(cause.__traceback__))
        places += [(frame.f_code.co_filename, line)
                   for frame, line in reversed(frames)]
        cause = cause.__cause__ or cause.__context__
    return type(error), tuple(places[:MOST_FRAMES])


class _Told:
    def __init__(self, until: float) -> None:
        self.until = until
        self.left_out = 0


class Failures:
    """`lock` guards what was told; any thread may tell."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.told: Dict[Kind, _Told] = {}

    def tell(self, error: BaseException) -> None:
        """All of it the first time; later, at most every ten seconds, a line
        with how often that kind was raised since the line before."""
        kind = _kind(error)
        now = self.clock()
        with self.lock:
            told = self.told.get(kind)
            if told and now < told.until:
                told.left_out += 1
                return
            count = told.left_out + 1 if told else 0
            if not told and len(self.told) >= MOST_KINDS:
                self.told.clear()
            self.told[kind] = _Told(now + PAUSE_SECONDS)
        if told:
            line = say(error).replace("\n", " ")
            print(f"kabridge: raised again, {count} times since the last "
                  f"line: {line}", file=sys.stderr)
        else:
            traceback.print_exception(type(error), error, error.__traceback__)
