# SPDX-License-Identifier: Apache-2.0
"""run(): serves a function until the bridge needs it no more.

One thread a connection reads frames; the function runs in the main thread
(and in others with `threads=`), which also sends what it answered before it
takes the next batch. So when the process dies, the batch it died of is the
oldest without an answer.
"""
from __future__ import annotations

import asyncio
import errno
import inspect
import os
import queue
import socket
import stat
import sys
import threading
import traceback
from functools import partial
from typing import (AbstractSet, Any, Callable, Dict, List, Mapping, Optional,
                    Sequence, Union)

from . import frames
from .failures import Failures
from .frames import ProtocolError
from .records import Fatal, Overload, Record, Reject, Retry
from .session import Batch, Session
from .single import serve_single
from .version import VERSION

EX_USAGE, EX_SOFTWARE, EX_CONFIG = 64, 70, 78
# How long a function that is being called may still take when the bridge is
# gone: nobody wants its answer.
ORPHAN_SECONDS = 5.0

Function = Callable[[List[Record]], Any]


class Options:
    """What run() was given."""

    def __init__(self, function: Function, concurrency: Optional[int],
                 max_batch: Optional[int], max_batch_bytes: Optional[int],
                 threads: int) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function) or \
            inspect.iscoroutinefunction(getattr(function, "__call__", None))
        self.threads = threads
        self.concurrency = concurrency or (4 if self.is_async else threads)
        self.max_batch = max_batch
        self.max_batch_bytes = max_batch_bytes

    def ready(self) -> Dict[str, Any]:
        ready: Dict[str, Any] = {
            "proto": 1, "minor": 0, "sdk": f"py/{VERSION}",
            "name": getattr(self.function, "__name__", "function"),
            "concurrency": self.concurrency, "features": [],
            "codec": "bytes"}
        if self.max_batch:
            ready["max_batch"] = self.max_batch
        if self.max_batch_bytes:
            ready["max_batch_bytes"] = self.max_batch_bytes
        return ready


# Set by `python -m kabridge check`: takes what run() was given instead.
instead: Optional[Callable[[Options], None]] = None


failures = Failures()


class Call:
    """The calls that one batch takes: again without each record that an
    exception names."""

    def __init__(self, records: List[Record]) -> None:
        self.records = records
        self.indices: Optional[List[int]] = None  # None: all of them
        self.results: List[Any] = []

    def take(self, answers: Any) -> List[Any]:
        """What the function returned, as one result for each record."""
        if answers is None or isinstance(answers, (bytes, str, AbstractSet,
                                                 Mapping)):
            raise TypeError(f"the function returned "
                            f"{type(answers).__name__}; wanted a list, one "
                            "result for each record in their order")
        found: List[Any] = answers if isinstance(answers, list) else \
            list(answers)
        if len(found) != len(self.records):
            raise ValueError(
                f"the function returned {len(found)} results for "
                f"{len(self.records)} records; wanted one for each")
        if self.indices is None:
            return found
        for index, answer in zip(self.indices, found):
            self.results[index] = answer
        return self.results

    def blame(self, error: Exception) -> bool:
        """Leaves the record out that the error names; False: none."""
        at = self._named(getattr(error, "record", None))
        if at is None:
            return False
        if self.indices is None:
            self.indices = list(range(len(self.records)))
            self.results = [None] * len(self.records)
        self.results[self.indices.pop(at)] = error
        self.records = self.records[:at] + self.records[at + 1:]
        return True

    def _named(self, record: Any) -> Optional[int]:
        if isinstance(record, int) and not isinstance(record, bool):
            return record if 0 <= record < len(self.records) else None
        for at, known in enumerate(self.records):
            if known is record:
                return at
        return None


def write_entry(session: Session, index: int, result: Any) -> List[Any]:
    """The entry of one record; one that cannot be written, such as an int,
    fails that record alone, as if the function had raised for it."""
    try:
        return frames.write_result(index, result, session.topic_of)
    except OSError:
        raise  # the bridge is gone
    except Exception as error:
        failures.tell(error)
        return frames.write_result(index, error, session.topic_of)


def send_all(session: Session, batch: int, results: Sequence[Any]) -> None:
    """In one frame if they fit, else in several."""
    try:
        parts = frames.write_results(results, session.topic_of)
        size = sum(map(len, parts))
        if size <= session.max_frame:
            session.send_results(batch, parts, size)
            return
    except OSError:
        raise
    except Exception:
        pass  # found again below, with its record
    waiting: List[Any] = []
    size = 0
    for index, result in enumerate(results):
        entry = write_entry(session, index, result)
        length = sum(map(len, entry))
        if length > session.max_frame:
            entry = frames.write_result(
                index, Reject(f"the outputs have {length} bytes; wanted at "
                              f"most {session.max_frame}"), session.topic_of)
            length = sum(map(len, entry))
        if size + length > session.max_frame:
            session.send_results(batch, waiting, size, False)
            waiting, size = [], 0
        waiting += entry
        size += length
    session.send_results(batch, waiting, size)


def send_failure(session: Session, batch: int, error: Exception) -> None:
    """The whole batch failed; what the bridge does next depends on how."""
    if isinstance(error, Fatal):
        session.send(frames.FATAL, str(error).encode() or b"fatal")
        os._exit(EX_CONFIG)
    if isinstance(error, Reject):
        session.send_refusal(batch, frames.PERMANENT, None, error.reason)
    elif isinstance(error, Retry):
        session.send_refusal(batch, frames.TRANSIENT, error.delay,
                             error.reason)
    elif isinstance(error, Overload):
        session.send_refusal(batch, frames.OVERLOAD, error.delay,
                             error.reason)
    else:
        failures.tell(error)
        session.send_refusal(batch, frames.TRANSIENT, None, frames.say(error))


def finish(session: Session, batch: int, call: Call, answers: Any) -> None:
    try:
        send_all(session, batch, call.take(answers))
    except OSError:
        pass  # the bridge is gone; the reader ends this process
    except Exception as error:
        give_up(session, batch, error)


def give_up(session: Session, batch: int, error: Exception) -> None:
    try:
        send_failure(session, batch, error)
    except OSError:
        pass


# --- A plain function -------------------------------------------------------

def call_plain(function: Function, item: Batch) -> None:
    session, batch, data, begin, end, topics = item
    if batch in session.cancelled:
        session.cancelled.discard(batch)
        session.send_refusal(batch, frames.TRANSIENT, None, "cancelled")
        return
    records, _remaining = frames.read_batch(data, begin, end, topics)
    call = Call(records)
    while True:
        try:
            answers = function(call.records) if call.records else []
        except Exception as error:
            if not call.blame(error):
                give_up(session, batch, error)
                return
            continue
        finish(session, batch, call, answers)
        return


def serve_plain(function: Function,
                items: "queue.SimpleQueue[Optional[Batch]]") -> None:
    while True:
        item = items.get()
        if item is None:
            return
        call_plain(function, item)


def run_threads(options: Options,
                start: Callable[[Any, Any], None]) -> None:
    items: "queue.SimpleQueue[Optional[Batch]]" = queue.SimpleQueue()
    others = [threading.Thread(target=serve_plain, daemon=True,
                               args=(options.function, items))
              for _ in range(options.threads - 1)]
    for thread in others:
        thread.start()

    def end() -> None:
        for _ in range(options.threads):
            items.put(None)

    start(items.put, end)
    serve_plain(options.function, items)
    for thread in others:
        thread.join()


# --- async def --------------------------------------------------------------

async def call_async(function: Function, item: Batch) -> None:
    session, batch, data, begin, end, topics = item
    records, _remaining = frames.read_batch(data, begin, end, topics)
    call = Call(records)
    while True:
        try:
            answers = await function(call.records) if call.records else []
        except Exception as error:
            if not call.blame(error):
                give_up(session, batch, error)
                return
            continue
        finish(session, batch, call, answers)
        return


async def serve_async(options: Options,
                      start: Callable[[Any, Any], None]) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    tasks: "set[asyncio.Task[None]]" = set()

    def begin(item: Batch) -> None:
        task = loop.create_task(call_async(options.function, item))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    start(lambda item: loop.call_soon_threadsafe(begin, item),
          lambda: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    while tasks:
        await asyncio.wait(tasks)


# --- Connections ------------------------------------------------------------

def start_orphan_timer() -> None:
    """The bridge is gone; the function may not return for long."""
    timer = threading.Timer(ORPHAN_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()


def read_session(session: Session, ready: Dict[str, Any],
                 on_batch: Callable[[Batch], None]) -> bool:
    """Until its end; True: the bridge wants no more, False: it is gone."""
    try:
        session.greet(ready)
        session.read(on_batch)
        return True
    except (EOFError, ConnectionError):
        return False


def read_for_ever(session: Session, ready: Dict[str, Any],
                  on_batch: Callable[[Batch], None],
                  end: Callable[[], None]) -> None:
    try:
        if not read_session(session, ready, on_batch):
            start_orphan_timer()
        end()
    except Exception:
        traceback.print_exc()
        os._exit(EX_SOFTWARE)


def serve_inherited(options: Options, number: int) -> None:
    connection = socket.socket(fileno=number)
    connection.set_inheritable(False)
    session = Session(connection)
    if options.is_async or options.threads > 1:
        serve(options, lambda on_batch, end: start_reader(
            session, options, on_batch, end))
    else:
        session.greet(options.ready())
        serve_single(session, partial(call_plain, options.function),
                     start_orphan_timer)
    try:
        session.send(frames.BYE)
    except OSError:
        pass


def start_reader(session: Session, options: Options, on_batch: Any,
                 end: Any) -> None:
    threading.Thread(target=read_for_ever, daemon=True, name="kabridge",
                     args=(session, options.ready(), on_batch, end)).start()


def serve(options: Options, start: Callable[[Any, Any], None]) -> None:
    if options.is_async:
        asyncio.run(serve_async(options, start))
    else:
        run_threads(options, start)


def read_guest(connection: socket.socket, options: Options,
               on_batch: Callable[[Batch], None]) -> None:
    session = Session(connection)
    try:
        if read_session(session, options.ready(), on_batch):
            session.send(frames.BYE)
    except (OSError, ProtocolError):
        traceback.print_exc()
    finally:
        connection.close()


def bind_socket(path: str) -> socket.socket:
    """Listens at path, where a worker that has died may have listened."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise SystemExit(f"kabridge: cannot listen at {path}: "
                             f"{error.strerror or error}") from None
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                raise SystemExit(f"kabridge: found a worker that listens at "
                                 f"{path} already; wanted a path of its own")
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise SystemExit(f"kabridge: found {path}, which is no socket; "
                             "wanted a path of its own") from None
        os.unlink(path)
        listener.bind(path)
    listener.listen(16)
    return listener


def serve_listening(options: Options, path: str) -> None:
    listener = bind_socket(path)

    def accept(on_batch: Any) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=read_guest, daemon=True,
                             args=(connection, options, on_batch)).start()

    def start(on_batch: Any, end: Any) -> None:
        threading.Thread(target=accept, args=(on_batch,),
                         daemon=True).start()

    serve(options, start)


def check_number(name: str, value: Any) -> None:
    """Ends the worker for good: no restart makes the number another one."""
    if isinstance(value, int) and value >= 1:
        return
    print(f"kabridge: run({name}=): found {value!r}; wanted a whole number "
          "from 1", file=sys.stderr)
    raise SystemExit(EX_CONFIG)


def run(function: Function, *, concurrency: Optional[int] = None,
        max_batch: Optional[int] = None,
        max_batch_bytes: Optional[int] = None, threads: int = 1,
        socket: Optional[str] = None) -> None:
    """Serves function until the bridge needs it no more.

    function      list of Record -> list of results; may be async
    concurrency   batches at a time; for async, 4 if it is not given
    max_batch, max_batch_bytes   the largest batch it takes
    threads       that call it at once; default: only the main thread
    socket        path at which to listen for bridges, instead of being
                  started by one
    """
    for name, value in (("concurrency", concurrency),
                        ("max_batch", max_batch),
                        ("max_batch_bytes", max_batch_bytes)):
        if value is not None:
            check_number(name, value)
    check_number("threads", threads)
    options = Options(function, concurrency, max_batch, max_batch_bytes,
                      threads)
    if instead:
        instead(options)
        return
    number = os.environ.pop("KABRIDGE_WORKER_FD", None)
    path = socket or os.environ.get("KABRIDGE_WORKER_SOCKET")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    if number and not socket:
        serve_inherited(options, int(number))
    elif path:
        serve_listening(options, path)
    else:
        print("kabridge: found no bridge; wanted to be started as "
              "function.command of the function worker, or "
              "KABRIDGE_WORKER_SOCKET. Without a bridge: python -m kabridge "
              "check FUNCTION FILE", file=sys.stderr)
        raise SystemExit(EX_USAGE)


def each(function: Callable[[Record], Any]) -> Function:
    """Makes a function of one record one of a batch. An exception concerns
    its record only; an async function runs for all records at once."""
    if inspect.iscoroutinefunction(function):
        async def concurrently(records: List[Record]) -> List[Any]:
            return await asyncio.gather(*map(function, records),
                                        return_exceptions=True)
        concurrently.__name__ = function.__name__
        return concurrently

    def in_turn(records: List[Record]) -> List[Any]:
        results: List[Any] = []
        for record in records:
            try:
                results.append(function(record))
            except Exception as error:
                results.append(error)
        return results
    in_turn.__name__ = getattr(function, "__name__", "function")
    return in_turn
