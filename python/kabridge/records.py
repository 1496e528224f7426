# SPDX-License-Identifier: Apache-2.0
"""What a function gets and what it may answer."""
from __future__ import annotations

from typing import (Iterable, List, Mapping, NamedTuple, Optional, Sequence,
                    Tuple, Union)

Bytes = Union[bytes, bytearray, memoryview, str]
Header = Tuple[str, Optional[bytes]]


class Record(NamedTuple):
    """One input record."""

    value: Optional[bytes]  # None: a tombstone
    key: Optional[bytes]
    headers: Sequence[Header]  # in their order; names may repeat
    topic: str
    partition: int
    offset: int
    timestamp: int  # ms since the epoch; -1: the record has none
    attempt: int  # 1 at the first call
    group: int  # equal for records of one key of one partition

    def header(self, name: str) -> Optional[bytes]:
        """The last header of that name; None if there is none."""
        for found, value in reversed(self.headers):
            if found == name:
                return value
        return None


class _InputKey:
    def __repr__(self) -> str:
        return "INPUT_KEY"


INPUT_KEY = _InputKey()


class Output:
    """One output record. Without `key` it has the input's."""

    __slots__ = ("value", "key", "headers", "topic", "partition", "timestamp")

    def __init__(self, value: Optional[Bytes],
                 key: Union[Bytes, None, _InputKey] = INPUT_KEY,
                 headers: Union[Mapping[str, Optional[Bytes]],
                                Iterable[Tuple[str, Optional[Bytes]]],
                                None] = None,
                 topic: Optional[str] = None,
                 partition: Optional[int] = None,
                 timestamp: Optional[int] = None) -> None:
        self.value = value
        self.key = key
        self.headers = headers
        self.topic = topic
        self.partition = partition
        self.timestamp = timestamp


class Drop:
    """The record is done, without an output; as None is."""

    __slots__ = ()


class Pass:
    """The input goes on to the output topic unchanged."""

    __slots__ = ("reason",)

    def __init__(self, reason: str = "") -> None:
        self.reason = reason


class Retry(Exception):
    """The record is called again, after `delay` seconds if that is given.

    Returned in a record's place, or raised: for the record it names, or
    else for the whole batch.
    """

    def __init__(self, reason: str = "", delay: Optional[float] = None,
                 record: Union[Record, int, None] = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay
        self.record = record


class Reject(Exception):
    """The record can never succeed: it goes where on.failure says.

    Returned in a record's place, or raised: for the record it names, or
    else for the whole batch, which is then called in halves.
    """

    def __init__(self, reason: str = "",
                 record: Union[Record, int, None] = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.record = record


class Overload(Exception):
    """Raised: what the function needs is busy. Nothing is counted; calls
    pause, for `delay` seconds if that is given."""

    def __init__(self, reason: str = "",
                 delay: Optional[float] = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.delay = delay


class Fatal(Exception):
    """Raised: no call will ever succeed. The worker ends, and is not started
    again."""


Result = Union[Bytes, None, Drop, Output, Pass, Retry, Reject, BaseException,
               List[Union[Bytes, Output]]]
