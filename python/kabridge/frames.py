# SPDX-License-Identifier: Apache-2.0
"""Frames of kabridge-worker/1 as bytes; see doc/worker-protocol.md.

Reading a batch and writing its results is what a call costs, so the common
case, values in and values out, avoids work a record at a time.
"""
from __future__ import annotations

from itertools import repeat
from struct import Struct
from struct import error as StructError
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .records import (INPUT_KEY, Drop, Header, Output, Pass, Record, Reject,
                      Retry)

(HELLO, READY, BATCH, RESULT, LOG, PING, PONG, CANCEL, DRAIN, BYE, FATAL,
 TOPIC) = range(1, 13)
LAST, FAILED, IGNORABLE = 0x01, 0x02, 0x80
OK, DROP, RETRY, REJECT, PASS = range(5)
TRANSIENT, PERMANENT, OVERLOAD = 1, 2, 3
NO_TOPIC = 0xFFFFFFFF

HEAD = Struct("<IBBHQ")  # length, type, flags, 0, batch
BATCH_HEAD = Struct("<II")  # records, remaining ms
RECORD = Struct("<iqqHHIiiII")
ENTRY = Struct("<IBH")  # index, status, outputs
REASON = Struct("<iI")  # delay ms, length
OUTPUT = Struct("<IiqiiI")  # topic, partition, timestamp, lengths
REFUSAL = Struct("<Ii")  # class, retry after ms
HEADER = Struct("<Hi")  # lengths of name and value
# An entry with one output: the input's key, a value, nothing else.
VALUE = Struct("<IBHIiqiiI")

_new_record = tuple.__new__


class ProtocolError(Exception):
    """The bridge sent what the protocol does not allow."""


def frame(kind: int, payload: bytes = b"", flags: int = 0,
          batch: int = 0) -> bytes:
    return HEAD.pack(len(payload), kind, flags, 0, batch) + payload


# --- BATCH -----------------------------------------------------------------

def read_headers(block: bytes) -> List[Header]:
    headers: List[Header] = []
    at = 0
    while at < len(block):
        name_len, value_len = HEADER.unpack_from(block, at)
        at += HEADER.size
        name = str(block[at:at + name_len], "utf-8", "replace")
        at += name_len
        value = None
        if value_len >= 0:
            value = bytes(block[at:at + value_len])
            at += value_len
        headers.append((name, value))
    return headers


def read_batch(payload: bytes, begin: int, end: int,
               topics: Sequence[str]) -> Tuple[List[Record], int]:
    """The records of a BATCH whose payload is payload[begin:end], and for
    how many ms its answer is wanted (0: for ever)."""
    n, remaining_ms = BATCH_HEAD.unpack_from(payload, begin)
    begin += BATCH_HEAD.size
    at = begin + n * RECORD.size
    if at > end:
        raise ProtocolError("a BATCH is shorter than its records")
    records: List[Record] = []
    add = records.append
    make, kind = _new_record, Record
    none: Tuple[Header, ...] = ()
    for (partition, offset, timestamp, attempt, _flags, topic, key_len,
         value_len, headers_len, group) in RECORD.iter_unpack(
             memoryview(payload)[begin:at]):
        if key_len < 0:
            key = None
        else:
            key = payload[at:at + key_len]
            at += key_len
        if value_len < 0:
            value = None
        else:
            value = payload[at:at + value_len]
            at += value_len
        headers: Sequence[Header] = none
        if headers_len:
            headers = read_headers(payload[at:at + headers_len])
            at += headers_len
        add(make(kind, (value, key, headers, topics[topic], partition,
                        offset, timestamp, attempt, group)))
    if at != end:
        raise ProtocolError("a BATCH's lengths are not those of its bytes")
    return records, remaining_ms


# --- RESULT ----------------------------------------------------------------

def _to_bytes(data: Any) -> Any:
    if isinstance(data, (bytes, bytearray)):
        return data
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, memoryview):
        return data if data.nbytes == len(data) else data.cast("B")
    raise TypeError(f"found a {type(data).__name__} as key, value or header "
                    "of an output; wanted bytes, str or None")


def _counted(data: Any) -> Tuple[int, Any]:
    if data is None:
        return -1, b""
    data = _to_bytes(data)
    return len(data), data


def _header_block(headers: Any) -> bytes:
    if not headers:
        return b""
    pairs = headers.items() if hasattr(headers, "items") else headers
    parts = []
    for name, value in pairs:
        name = name.encode()
        length, data = _counted(value)
        parts += [HEADER.pack(len(name), length), name, data]
    return b"".join(parts)


def _reason(index: int, status: int, delay: Optional[float],
            text: str) -> List[Any]:
    delay_ms = -1 if delay is None else max(0, min(int(float(delay) * 1000),
                                                   0x7FFFFFFF))
    data = text.encode("utf-8", "replace")[:1024]
    return [ENTRY.pack(index, status, 0), REASON.pack(delay_ms, len(data)),
            data]


def _output(output: Any, topic_of: Callable[[str], int]) -> List[Any]:
    if not isinstance(output, Output):
        output = Output(output)
    key_len, key = ((-2, b"") if output.key is INPUT_KEY
                    else _counted(output.key))
    value_len, value = _counted(output.value)
    block = _header_block(output.headers)
    topic = NO_TOPIC if output.topic is None else topic_of(output.topic)
    try:
        head = OUTPUT.pack(
            topic, -1 if output.partition is None else output.partition,
            -1 if output.timestamp is None else output.timestamp,
            key_len, value_len, len(block))
    except StructError:
        raise ValueError(
            f"found partition {output.partition!r} and timestamp "
            f"{output.timestamp!r} of an output; wanted whole numbers below "
            "2^31 and 2^63, or None") from None
    return [head, key, value, block]


def say(error: BaseException) -> str:
    """An exception in one line, with where it was raised."""
    text = f"{type(error).__name__}: {error}" if str(error) else \
        type(error).__name__
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace:
        code = trace.tb_frame.f_code
        text += f" ({code.co_filename}:{trace.tb_lineno})"
    return text


def write_result(index: int, result: Any,
                 topic_of: Callable[[str], int]) -> List[Any]:
    """The entry of one record, in parts."""
    if result is None or isinstance(result, Drop):
        return [ENTRY.pack(index, DROP, 0)]
    if isinstance(result, Retry):
        return _reason(index, RETRY, result.delay, result.reason)
    if isinstance(result, Reject):
        return _reason(index, REJECT, None, result.reason)
    if isinstance(result, Pass):
        return _reason(index, PASS, None, result.reason)
    if isinstance(result, BaseException):
        return _reason(index, RETRY, None, say(result))
    outputs = result if isinstance(result, (list, tuple)) else [result]
    parts = [ENTRY.pack(index, OK, len(outputs))]
    for output in outputs:
        parts += _output(output, topic_of)
    return parts


def write_results(results: Sequence[Any],
                  topic_of: Callable[[str], int]) -> List[Any]:
    """The entries of all records of a batch, in order, in parts."""
    parts: List[Any] = []
    add = parts.append
    pack = VALUE.pack
    index = 0
    for result in results:
        if type(result) is bytes:
            add(pack(index, OK, 1, NO_TOPIC, -1, -1, -2, len(result), 0))
            add(result)
        else:
            parts += write_result(index, result, topic_of)
        index += 1
    return parts


def write_refusal(failure: int, delay: Optional[float], text: str) -> bytes:
    delay_ms = -1 if delay is None else max(0, min(int(delay * 1000),
                                                   0x7FFFFFFF))
    return (REFUSAL.pack(failure, delay_ms) +
            text.encode("utf-8", "replace")[:1024])
