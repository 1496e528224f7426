# SPDX-License-Identifier: Apache-2.0
"""run() in a process of its own, with this test as its bridge."""
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from kabridge import frames
from kabridge.failures import MOST_KINDS, Failures
from kabridge.frames import HEAD, RECORD, frame

PACKAGE = Path(__file__).resolve().parents[1]
NO_TOPIC = 0xFFFFFFFF


def batch_frame(number, values):
    descriptors = b"".join(
        RECORD.pack(0, i, -1, 1, 0, 0, -1,
                    -1 if value is None else len(value), 0, i)
        for i, value in enumerate(values))
    payload = frames.BATCH_HEAD.pack(len(values), 0) + descriptors + \
        b"".join(value or b"" for value in values)
    return frame(frames.BATCH, payload, 0, number)


def read_entries(payload):
    """Statuses with values, outputs or reasons, by index."""
    entries, at = {}, 0
    while at < len(payload):
        index, status, n = frames.ENTRY.unpack_from(payload, at)
        at += frames.ENTRY.size
        if status == frames.OK:
            values = []
            for _ in range(n):
                _t, _p, _ts, key, value, block = frames.OUTPUT.unpack_from(
                    payload, at)
                at += frames.OUTPUT.size + max(key, 0)
                values.append(payload[at:at + value] if value >= 0 else None)
                at += max(value, 0) + block
            entries[index] = (status, values)
        elif status == frames.DROP:
            entries[index] = (status, None)
        else:
            _delay, length = frames.REASON.unpack_from(payload, at)
            at += frames.REASON.size
            entries[index] = (status, payload[at:at + length].decode())
            at += length
    return entries


class Bridge:
    """The bridge's side of one worker."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(20)
        self.send(frame(frames.HELLO, json.dumps(
            {"proto": 1, "minor": 0, "max_frame": 1 << 26,
             "features": [], "worker": 0, "config": {}}).encode()))
        self.ready = json.loads(self.read(frames.READY)[2])
        self.send(frame(frames.TOPIC, b"\0\0\0\0in", frames.IGNORABLE))

    def send(self, data):
        self.connection.sendall(data)

    def exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read(self, wanted):
        """Flags, batch and payload of the next frame of that type."""
        while True:
            length, kind, flags, _zero, batch = HEAD.unpack(
                self.exactly(HEAD.size))
            payload = self.exactly(length)
            if kind == wanted:
                return flags, batch, payload

    def call(self, number, values):
        self.send(batch_frame(number, values))
        return self.answer()

    def answer(self):
        flags, batch, payload = self.read(frames.RESULT)
        if flags & frames.FAILED:
            failure, _delay = frames.REFUSAL.unpack_from(payload)
            return batch, (failure, payload[8:].decode())
        return batch, read_entries(payload)


class Run(unittest.TestCase):
    def start(self, script, **environment):
        """A worker with this script; its bridge."""
        ours, theirs = socket.socketpair()
        with tempfile.NamedTemporaryFile("w", suffix=".py",
                                         delete=False) as file:
            file.write(textwrap.dedent(script))
        self.addCleanup(os.unlink, file.name)
        self.process = subprocess.Popen(
            [sys.executable, file.name], pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PACKAGE),
                 "KABRIDGE_WORKER_FD": str(theirs.fileno()), **environment})
        self.addCleanup(self.process.stderr.close)
        self.addCleanup(self.process.wait, 20)
        self.addCleanup(self.process.kill)
        theirs.close()
        self.addCleanup(ours.close)
        return Bridge(ours)

    def ends(self, bridge):
        bridge.send(frame(frames.DRAIN))
        bridge.read(frames.BYE)
        self.assertEqual(self.process.wait(20), 0)

    def test_values_come_back_and_drain_ends_it(self):
        bridge = self.start("""
            from kabridge import run
            run(lambda records: [r.value for r in records], max_batch=9)
        """)
        self.assertEqual(bridge.ready["proto"], 1)
        self.assertEqual(bridge.ready["concurrency"], 1)
        self.assertEqual(bridge.ready["max_batch"], 9)
        self.assertEqual(bridge.call(1, [b"a", None, b""]), (1, {
            0: (frames.OK, [b"a"]), 1: (frames.DROP, None),
            2: (frames.OK, [b""])}))
        self.ends(bridge)

    def test_a_batch_of_megabytes_comes_back(self):
        bridge = self.start("""
            from kabridge import run
            run(lambda records: [r.value for r in records])
        """)
        values = [bytes([i]) * 1000000 for i in range(5)]
        _, entries = bridge.call(1, values)
        self.assertEqual([entries[i][1][0] for i in range(5)], values)
        self.ends(bridge)

    def test_an_exception_fails_the_batch_and_says_where(self):
        bridge = self.start("""
            from kabridge import run
            def score(records):
                raise ValueError("no such column")
            run(score)
        """)
        _, (failure, text) = bridge.call(1, [b"a"])
        self.assertEqual(failure, frames.TRANSIENT)
        self.assertRegex(text, r"ValueError: no such column \(.*\.py:4\)")
        self.ends(bridge)

    def test_a_named_record_is_the_only_one_that_is_retried(self):
        bridge = self.start("""
            from kabridge import Reject, run
            class Bad(Exception):
                def __init__(self, record):
                    super().__init__("bad")
                    self.record = record
            def score(records):
                for i, r in enumerate(records):
                    if r.value == b"x":
                        raise Bad(r)
                    if r.value == b"y":
                        raise Reject("y", record=i)
                return [r.value for r in records]
            run(score)
        """)
        _, entries = bridge.call(1, [b"a", b"x", b"b", b"y", b"c"])
        self.assertEqual([entries[i][0] for i in range(5)],
                         [frames.OK, frames.RETRY, frames.OK, frames.REJECT,
                          frames.OK])
        self.assertEqual(entries[4][1], [b"c"])
        self.ends(bridge)

    def test_a_result_that_cannot_be_written_fails_its_record_alone(self):
        bridge = self.start("""
            from kabridge import Output, run
            odd = {b"int": 5, b"partition": Output(b"", partition=2 ** 40),
                   b"headers": Output(b"", headers={"h" * 70000: b""})}
            run(lambda records: [odd.get(r.value, r.value) for r in records])
        """)
        _, entries = bridge.call(1, [b"a", b"int", b"b", b"partition",
                                     b"headers", b"c"])
        self.assertEqual([entries[i][0] for i in range(6)],
                         [frames.OK, frames.RETRY, frames.OK, frames.RETRY,
                          frames.RETRY, frames.OK])
        self.assertIn("found a int", entries[1][1])
        self.assertIn("found partition 1099511627776", entries[3][1])
        self.ends(bridge)

    def test_a_wrong_count_of_results_is_no_result(self):
        bridge = self.start("""
            from kabridge import run
            run(lambda records: [b"one"])
        """)
        _, (failure, text) = bridge.call(1, [b"a", b"b"])
        self.assertEqual(failure, frames.TRANSIENT)
        self.assertIn("1 results for 2 records", text)
        self.ends(bridge)

    def test_results_without_an_order_are_no_results(self):
        for kind in ("set(values)", "dict.fromkeys(values)", "b'ab'"):
            bridge = self.start(f"""
                from kabridge import run
                def function(records):
                    values = [r.value for r in records]
                    return {kind}
                run(function)
            """)
            _, (failure, text) = bridge.call(1, [b"a", b"b"])
            self.assertEqual(failure, frames.TRANSIENT)
            self.assertIn("in their order", text)
            self.ends(bridge)

    def test_printing_does_not_reach_the_channel(self):
        bridge = self.start("""
            import os
            from kabridge import run
            def score(records):
                print("x" * 10000)
                os.system("echo from a shell")
                return [r.value for r in records]
            run(score)
        """)
        self.assertEqual(bridge.call(1, [b"a"])[1], {0: (frames.OK, [b"a"])})
        self.ends(bridge)

    def test_async_batches_run_at_once(self):
        bridge = self.start("""
            import asyncio
            from kabridge import run
            started = 0
            both = asyncio.Event()
            async def score(records):
                global started
                started += 1
                if started == 2:
                    both.set()
                await both.wait()
                return [r.value for r in records]
            run(score, concurrency=2)
        """)
        self.assertEqual(bridge.ready["concurrency"], 2)
        bridge.send(batch_frame(1, [b"a"]) + batch_frame(2, [b"b"]))
        got = dict([bridge.answer(), bridge.answer()])
        self.assertEqual(got, {1: {0: (frames.OK, [b"a"])},
                               2: {0: (frames.OK, [b"b"])}})
        self.ends(bridge)

    def test_threads_call_it_at_once(self):
        bridge = self.start("""
            import threading
            from kabridge import run
            both = threading.Barrier(2)
            def score(records):
                both.wait(10)
                return [r.value for r in records]
            run(score, threads=2)
        """)
        self.assertEqual(bridge.ready["concurrency"], 2)
        bridge.send(batch_frame(1, [b"a"]) + batch_frame(2, [b"b"]))
        self.assertEqual(sorted([bridge.answer()[0], bridge.answer()[0]]),
                         [1, 2])
        self.ends(bridge)

    def test_each_answers_record_by_record(self):
        bridge = self.start("""
            from kabridge import each, run
            async def score(record):
                if record.value == b"x":
                    raise ValueError("x")
                return record.value
            run(each(score))
        """)
        _, entries = bridge.call(1, [b"a", b"x", b"b"])
        self.assertEqual([entries[i][0] for i in range(3)],
                         [frames.OK, frames.RETRY, frames.OK])
        self.ends(bridge)

    def test_a_busy_function_answers_pings(self):
        bridge = self.start("""
            import os
            from kabridge import run
            def score(records):
                while not os.path.exists(records[0].value):
                    pass
                return [b"done"]
            run(score)
        """)
        with tempfile.TemporaryDirectory() as folder:
            flag = Path(folder) / "flag"
            bridge.send(batch_frame(1, [str(flag).encode()]))
            bridge.send(frame(frames.PING, batch=5))
            self.assertEqual(bridge.read(frames.PONG)[1], 5)
            flag.touch()
            self.assertEqual(bridge.answer()[1], {0: (frames.OK, [b"done"])})
        self.ends(bridge)

    def test_a_function_that_never_returns_ends_after_the_bridge(self):
        bridge = self.start("""
            import time
            from kabridge import run
            def score(records):
                time.sleep(3600)
            run(score)
        """)
        bridge.send(batch_frame(1, [b"a"]))
        bridge.connection.close()
        self.assertIsNotNone(self.process.wait(20))

    def test_a_fatal_exception_exits_with_78(self):
        bridge = self.start("""
            from kabridge import Fatal, run
            def score(records):
                raise Fatal("no licence")
            run(score)
        """)
        bridge.send(batch_frame(1, [b"a"]))
        self.assertEqual(bridge.read(frames.FATAL)[2], b"no licence")
        self.assertEqual(self.process.wait(20), 78)

    def test_a_cancelled_batch_is_not_called(self):
        bridge = self.start("""
            import os
            from kabridge import run
            def score(records):
                while records[0].value and \\
                        not os.path.exists(records[0].value):
                    pass
                return [b"done" for r in records]
            run(score)
        """)
        with tempfile.TemporaryDirectory() as folder:
            flag = Path(folder) / "flag"
            bridge.send(batch_frame(1, [str(flag).encode()]) +
                        batch_frame(2, [b""]) +
                        frame(frames.CANCEL, batch=2) +
                        frame(frames.PING, batch=5))
            bridge.read(frames.PONG)
            flag.touch()
            self.assertEqual(bridge.answer()[0], 1)
            self.assertEqual(bridge.answer(),
                             (2, (frames.TRANSIENT, "cancelled")))
        self.ends(bridge)

    def test_it_listens_for_bridges_as_a_sidecar(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            script = os.path.join(folder, "score.py")
            Path(script).write_text(textwrap.dedent("""
                from kabridge import run
                run(lambda records: [r.value for r in records])
            """))
            process = subprocess.Popen(
                [sys.executable, script],
                env={**os.environ, "PYTHONPATH": str(PACKAGE),
                     "KABRIDGE_WORKER_SOCKET": path})
            self.addCleanup(process.wait, 20)
            self.addCleanup(process.kill)
            for _ in range(2):
                connection = self.connected(path)
                bridge = Bridge(connection)
                self.assertEqual(bridge.call(1, [b"a"])[1],
                                 {0: (frames.OK, [b"a"])})
                bridge.send(frame(frames.DRAIN))
                bridge.read(frames.BYE)
                connection.close()

    def connected(self, path):
        while True:
            connection = socket.socket(socket.AF_UNIX)
            if connection.connect_ex(path) == 0:
                return connection
            connection.close()

    def listens_not(self, path, why):
        done = subprocess.run(
            [sys.executable, "-c", "from kabridge import run; run(len)"],
            env={**os.environ, "PYTHONPATH": str(PACKAGE),
                 "KABRIDGE_WORKER_SOCKET": path},
            capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"kabridge: {why}\n")

    def test_a_path_it_cannot_listen_at_is_named(self):
        self.listens_not("/nowhere/x", "cannot listen at /nowhere/x: "
                         "No such file or directory")

    def test_a_file_at_its_path_is_left_alone(self):
        with tempfile.NamedTemporaryFile() as file:
            self.listens_not(file.name, f"found {file.name}, which is no "
                             "socket; wanted a path of its own")
            self.assertTrue(os.path.exists(file.name))

    def test_a_function_that_keeps_failing_prints_one_traceback(self):
        bridge = self.start("""
            from kabridge import run
            def score(records):
                raise ValueError("no such column")
            run(score)
        """)
        for number in range(1, 6):
            self.assertEqual(bridge.call(number, [b"a"])[1][0],
                             frames.TRANSIENT)
        self.ends(bridge)
        told = self.process.stderr.read().decode()
        self.assertEqual(told.count("Traceback"), 1, told)

    def test_numbers_below_one_end_it_for_good(self):
        for words, found in (("threads=0", "threads=): found 0"),
                             ("threads=-2", "threads=): found -2"),
                             ("threads=None", "threads=): found None"),
                             ("threads=1.5", "threads=): found 1.5"),
                             ("concurrency=0", "concurrency=): found 0"),
                             ("max_batch='9'", "max_batch=): found '9'"),
                             ("max_batch_bytes=0", "bytes=): found 0")):
            done = subprocess.run(
                [sys.executable, "-c",
                 f"from kabridge import run; run(len, {words})"],
                env={**os.environ, "PYTHONPATH": str(PACKAGE)},
                capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 78)
            self.assertIn(found + "; wanted a whole number from 1",
                          done.stderr)

    def test_without_a_bridge_it_says_so(self):
        done = subprocess.run(
            [sys.executable, "-c", "from kabridge import run; run(len)"],
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 64)
        self.assertIn("found no bridge", done.stderr)


class Told(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.failures = Failures(lambda: self.now)

    def told(self, error, at=None):
        """What is printed of such an error, raised here."""
        self.now = self.now if at is None else at
        with contextlib.redirect_stderr(io.StringIO()) as out:
            try:
                raise error
            except Exception as raised:
                self.failures.tell(raised)
        return out.getvalue()

    def test_all_of_it_is_told_once_then_how_often(self):
        self.assertIn("Traceback", self.told(ValueError("a"), 0))
        self.assertEqual(self.told(ValueError("b"), 5), "")
        self.assertEqual(self.told(ValueError("c"), 9.9), "")
        again = self.told(ValueError("d\nd"), 10)
        self.assertRegex(again, r"^kabridge: raised again, 3 times since the "
                         r"last line: ValueError: d d \(.*\)\n$")
        self.assertEqual(self.told(ValueError("e"), 19.9), "")
        self.assertIn(" 2 times ", self.told(ValueError("f"), 20))

    def test_each_kind_is_told(self):
        self.told(ValueError("a"), 0)
        self.assertIn("Traceback", self.told(KeyError("a")))
        try:
            raise ValueError("elsewhere")
        except ValueError as error:
            with contextlib.redirect_stderr(io.StringIO()) as out:
                self.failures.tell(error)
        self.assertIn("Traceback", out.getvalue())

    def test_a_library_raises_for_many(self):
        for parse in (lambda: json.loads("{"), lambda: json.loads("[")):
            with contextlib.redirect_stderr(io.StringIO()) as out:
                try:
                    parse()
                except ValueError as error:
                    self.failures.tell(error)
            self.assertIn("Traceback", out.getvalue())

    def test_few_kinds_are_remembered(self):
        for i in range(MOST_KINDS):
            self.told(type(f"Error{i}", (Exception,), {})())
        self.assertLessEqual(len(self.failures.told), MOST_KINDS)
        self.told(KeyError("one more"))
        self.assertEqual(len(self.failures.told), 1)


if __name__ == "__main__":
    unittest.main()
