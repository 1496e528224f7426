# SPDX-License-Identifier: Apache-2.0
"""One connection to the bridge: frames in by one thread, out by any."""
from __future__ import annotations

import json
import socket
import threading
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from . import frames
from .frames import HEAD, ProtocolError, frame

BUFFER_SIZE = 1024 * 1024
PARTS_AT_ONCE = 512
JOIN_BELOW = 256 * 1024
# The bridge's limit of a frame, until HELLO says another.
MAX_FRAME = 64 * 1024 * 1024

Batch = Tuple["Session", int, bytes, int, int, List[str]]


class Session:
    """Reads in one thread; answers may be sent by several."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.topics_in: List[str] = []
        self.topics_out: Dict[str, int] = {}
        self.cancelled: Set[int] = set()
        self.max_frame = MAX_FRAME
        self.hello: Dict[str, Any] = {}
        # Read into again and again: a new object of this size is memory from
        # the system and back at each recv(), which costs as much as to read.
        self.buffer = bytearray(BUFFER_SIZE)
        self.view = memoryview(self.buffer)
        self.filled = 0  # bytes of a frame that is not whole
        self.chunks: List[bytes] = []  # of one larger than the buffer
        self.missing = 0

    # --- Sending -----------------------------------------------------------

    def _send_parts(self, parts: List[Any], size: int) -> None:
        """With the lock. size: about their bytes."""
        if size <= JOIN_BELOW:
            self.connection.sendall(b"".join(parts))
            return
        views = [memoryview(part) for part in parts if len(part)]
        at = 0
        while at < len(views):
            sent = self.connection.sendmsg(views[at:at + PARTS_AT_ONCE])
            while at < len(views) and sent >= len(views[at]):
                sent -= len(views[at])
                at += 1
            if sent:
                views[at] = views[at][sent:]

    def send(self, kind: int, payload: bytes = b"", flags: int = 0,
             batch: int = 0) -> None:
        with self.lock:
            self.connection.sendall(frame(kind, payload, flags, batch))

    def topic_of(self, name: str) -> int:
        """The number of an output topic; the bridge is told a new one."""
        with self.lock:
            number = self.topics_out.get(name)
            if number is None:
                number = self.topics_out[name] = len(self.topics_out)
                self.connection.sendall(frame(
                    frames.TOPIC, number.to_bytes(4, "little") +
                    name.encode()))
            return number

    def send_results(self, batch: int, parts: List[Any], size: int,
                     is_last: bool = True) -> None:
        """One frame with the entries in parts, which have size bytes."""
        if size > self.max_frame:
            raise ValueError(f"the results have {size} bytes; wanted at most "
                             f"{self.max_frame} in one frame")
        head = HEAD.pack(size, frames.RESULT, frames.LAST if is_last else 0,
                         0, batch)
        parts.insert(0, head)
        with self.lock:
            self._send_parts(parts, size)

    def send_refusal(self, batch: int, failure: int, delay: Optional[float],
                     text: str) -> None:
        self.send(frames.RESULT, frames.write_refusal(failure, delay, text),
                  frames.LAST | frames.FAILED, batch)

    # --- Receiving ---------------------------------------------------------

    def greet(self, ready: Dict[str, Any]) -> None:
        """HELLO is awaited, READY is the answer."""
        kind, _flags, _batch, payload = self._read_whole()
        if kind != frames.HELLO:
            raise ProtocolError(f"found frame type {kind}; wanted HELLO")
        self.hello = json.loads(payload)
        if self.hello.get("proto") != 1:
            self.send(frames.FATAL, b"found a bridge that speaks version "
                      b"%r of the protocol; wanted version 1" %
                      self.hello.get("proto"))
            raise ProtocolError("another version of the protocol")
        self.max_frame = int(self.hello.get("max_frame", MAX_FRAME))
        self.send(frames.READY, json.dumps(ready).encode())

    def _read_exactly(self, size: int) -> bytes:
        data = self.connection.recv(size, socket.MSG_WAITALL)
        while len(data) < size:
            more = self.connection.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise EOFError
            data += more
        return data

    def _read_whole(self) -> Tuple[int, int, int, bytes]:
        length, kind, flags, _zero, batch = HEAD.unpack(
            self._read_exactly(HEAD.size))
        return kind, flags, batch, self._read_exactly(length)

    def _on_small(self, kind: int, flags: int, batch: int,
                  payload: bytes) -> bool:
        """A frame that is no BATCH; False: no more will come."""
        if kind == frames.TOPIC:
            # The list is read by other threads: replaced, never changed.
            self.topics_in = self.topics_in + [payload[4:].decode()]
        elif kind == frames.PING:
            self.send(frames.PONG, payload, 0, batch)
        elif kind == frames.CANCEL:
            self.cancelled.add(batch)
        elif kind == frames.DRAIN:
            return False
        elif kind not in (frames.PONG, frames.LOG) and \
                not flags & frames.IGNORABLE:
            raise ProtocolError(f"found frame type {kind}; wanted a known one")
        return True

    def receive(self, on_batch: Callable[[Batch], None],
                flags: int = 0) -> bool:
        """One recv() and the frames it completes. False: no more will come,
        after DRAIN; EOFError: the bridge is gone. BlockingIOError: with
        MSG_DONTWAIT, nothing was there.

        One thread at a time.
        """
        if self.missing:
            return self._receive_large(on_batch, flags)
        size = self.connection.recv_into(self.view[self.filled:], 0, flags)
        if not size:
            raise EOFError
        self.filled += size
        if self.filled < HEAD.size:
            return True
        wanted = HEAD.size + HEAD.unpack_from(self.buffer, 0)[0]
        if self.filled >= wanted:
            return self._take_frames(self.view[:self.filled].tobytes(),
                                     on_batch)
        if wanted > BUFFER_SIZE:
            self.chunks = [self.view[:self.filled].tobytes()]
            self.missing = wanted - self.filled
            self.filled = 0
        return True

    def _receive_large(self, on_batch: Callable[[Batch], None],
                       flags: int) -> bool:
        more = self.connection.recv(self.missing, flags | socket.MSG_WAITALL)
        if not more:
            raise EOFError
        self.chunks.append(more)
        self.missing -= len(more)
        if self.missing:
            return True
        data = b"".join(self.chunks)
        self.chunks = []
        return self._take_frames(data, on_batch)

    def _take_frames(self, data: bytes,
                     on_batch: Callable[[Batch], None]) -> bool:
        unpack = HEAD.unpack_from
        at, size = 0, len(data)
        while size - at >= HEAD.size:
            length, kind, flags, _zero, batch = unpack(data, at)
            end = at + HEAD.size + length
            if end > size:
                break
            if kind == frames.BATCH:
                on_batch((self, batch, data, at + HEAD.size, end,
                          self.topics_in))
            elif not self._on_small(kind, flags, batch,
                                    data[at + HEAD.size:end]):
                return False
            at = end
        self.filled = size - at
        self.buffer[:self.filled] = data[at:]
        return True

    def read(self, on_batch: Callable[[Batch], None]) -> None:
        """Until DRAIN."""
        while self.receive(on_batch):
            pass
