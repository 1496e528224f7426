# SPDX-License-Identifier: Apache-2.0
"""python -m kabridge check: a function over the lines of a file."""
from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import runpy
import sys
import time
import traceback
from typing import Any, BinaryIO, Iterator, List, Optional

from . import frames, runner
from .records import Drop, Output, Pass, Record, Reject, Retry
from .runner import Call, Options

EX_USAGE, EX_DATAERR = 64, 65


def find_function(name: str) -> Options:
    """MODULE:FUNCTION, or a file that calls run()."""
    if name.endswith(".py"):
        if not os.path.isfile(name):
            print(f"kabridge: found no file {name}; wanted FILE.py or "
                  "MODULE:FUNCTION", file=sys.stderr)
            raise SystemExit(EX_USAGE)
        return options_of_file(name)
    module, _, function = name.partition(":")
    if not function:
        raise SystemExit(f"kabridge: found {name}; wanted FILE.py or "
                         "MODULE:FUNCTION")
    sys.path.insert(0, os.getcwd())
    found = getattr(importlib.import_module(module), function)
    return Options(found, None, None, None, 1)


class _Found(BaseException):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options


def options_of_file(path: str) -> Options:
    def found(options: Options) -> None:
        raise _Found(options)

    runner.instead = found
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        runpy.run_path(path, run_name="__main__")
    except _Found as end:
        return end.options
    raise SystemExit(f"kabridge: found {path}, which does not call run(); "
                     "wanted run(FUNCTION) in it")


def open_lines(path: str) -> BinaryIO:
    if path == "-":
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as error:
        print(f"kabridge: cannot read {path}: {error.strerror}",
              file=sys.stderr)
        raise SystemExit(EX_DATAERR) from None


def read_batches(lines: BinaryIO, size: int) -> Iterator[List[Record]]:
    batch: List[Record] = []
    for offset, line in enumerate(lines):
        value = line.rstrip(b"\n")
        batch.append(Record(value, None, (), "lines", 0, offset,
                            int(time.time() * 1000), 1, offset))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def call(options: Options, records: List[Record]) -> List[Any]:
    """The results of one batch; an exception that names no record raises."""
    call = Call(records)
    while True:
        try:
            answers: Any = []
            if call.records:
                answers = options.function(call.records)
            if options.is_async and call.records:
                answers = asyncio.run(_await(answers))
            results = call.take(answers)
        except Exception as error:
            if not call.blame(error):
                raise
            continue
        # What the bridge would refuse is found here already.
        frames.write_results(results, lambda topic: 0)
        return results


async def _await(answer: Any) -> Any:
    return await answer


def text_of(data: Any) -> str:
    if data is None:
        return "null"
    return data if isinstance(data, str) else bytes(data).decode(
        "utf-8", "backslashreplace")


def show(record: Record, result: Any) -> bool:
    """Prints what becomes of a record; is it right?"""
    if isinstance(result, (Reject, Retry)) or \
            isinstance(result, BaseException):
        what = "rejected" if isinstance(result, Reject) else "retry"
        reason = getattr(result, "reason", None) or frames.say(result)
        print(f"line {record.offset + 1}: {what}: {reason}", file=sys.stderr)
        return False
    if result is None or isinstance(result, Drop):
        print(f"line {record.offset + 1}: no output", file=sys.stderr)
    elif isinstance(result, Pass):
        print(text_of(record.value))
    else:
        for output in result if isinstance(result, (list, tuple)) else \
                [result]:
            value = output.value if isinstance(output, Output) else output
            print(text_of(value))
    return True


def check(options: Options, lines: BinaryIO, size: int) -> int:
    n = bad = 0
    for records in read_batches(lines, size):
        n += len(records)
        try:
            results = call(options, records)
        except Exception as error:
            first, last = records[0].offset + 1, records[-1].offset + 1
            traceback.print_exception(type(error), error,
                                      error.__traceback__)
            print(f"lines {first} to {last}: failed: {frames.say(error)}",
                  file=sys.stderr)
            bad += len(records)
            continue
        bad += sum(not show(*pair) for pair in zip(records, results))
    print(f"{n} line{'' if n == 1 else 's'}: {n - bad} right, {bad} not",
          file=sys.stderr)
    return EX_DATAERR if bad else 0


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m kabridge",
        description="Runs a function over the lines of a file, without a "
        "bridge: outputs to standard output, other outcomes to standard "
        "error.")
    parser.add_argument("verb", choices=["check"])
    parser.add_argument("function", metavar="FUNCTION",
                        help="FILE.py that calls run(), or MODULE:FUNCTION")
    parser.add_argument("file", metavar="FILE", help="- is standard input")
    parser.add_argument("--batch", type=int, metavar="N",
                        help="records in a batch; default 256")
    words = parser.parse_args(arguments)
    if words.batch is not None and words.batch < 1:
        parser.error(f"argument --batch: found {words.batch}; wanted 1 or more")
    with open_lines(words.file) as lines:
        options = find_function(words.function)
        size = words.batch or min(options.max_batch or 256, 256)
        return check(options, lines, size)
