# SPDX-License-Identifier: Apache-2.0
"""One plain function, one connection, one thread: the usual worker.

The main thread reads as well, so that a batch wakes no second thread. While
the function takes long, a watcher reads in its place: it answers PING, takes
CANCEL and the batches that come ahead, and notices that the bridge is gone.
"""
from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque

from .session import Batch, Session

# The function may take this long before the watcher looks.
PATIENCE_SECONDS = 0.2


class Single:
    """`lock` guards the reading side of the session."""

    def __init__(self, session: Session, call: Callable[[Batch], None],
                 on_orphan: Callable[[], None]) -> None:
        self.session = session
        self.call = call
        self.on_orphan = on_orphan
        self.lock = threading.Lock()
        self.waiting: Deque[Batch] = deque()
        self.is_open = True
        self.calls = 0  # odd while the function is being called

    def serve(self) -> None:
        """Until DRAIN and the last batch, or until the bridge is gone."""
        threading.Thread(target=self._watch, daemon=True,
                         name="kabridge").start()
        waiting = self.waiting
        add = waiting.append
        receive = self.session.receive
        while True:
            while waiting:
                self.calls += 1
                self.call(waiting.popleft())
                self.calls += 1
            with self.lock:
                if waiting:
                    continue
                if not self.is_open:
                    return
                try:
                    self.is_open = receive(add)
                except (EOFError, ConnectionError):
                    return

    def _read_what_is_there(self) -> None:
        with self.lock:
            if not self.is_open:
                return
            try:
                self.is_open = self.session.receive(self.waiting.append,
                                                    socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except (EOFError, ConnectionError):
                self.is_open = False
                self.on_orphan()

    def _watch(self) -> None:
        seen = 0
        while self.is_open:
            time.sleep(PATIENCE_SECONDS)
            if not self.calls & 1 or self.calls != seen:
                seen = self.calls
                continue
            while self.is_open and self.calls == seen:
                ready = select.select([self.session.connection], [], [],
                                      PATIENCE_SECONDS)[0]
                if ready and self.calls == seen:
                    self._read_what_is_there()


def serve_single(session: Session, call: Callable[[Batch], Any],
                 on_orphan: Callable[[], None]) -> None:
    Single(session, call, on_orphan).serve()
