# SPDX-License-Identifier: Apache-2.0
"""The codec, held to the frames of the conformance kit."""
import unittest

from conformance import find_frame, read_frames

from kabridge import Drop, Output, Pass, Reject, Retry, frames
from kabridge.frames import HEAD, frame


def no_topic(name):
    raise AssertionError(f"topic {name}")


class Frames(unittest.TestCase):
    def test_every_length_is_that_of_its_payload(self):
        for name, data in read_frames():
            with self.subTest(name):
                self.assertEqual(HEAD.unpack_from(data)[0], len(data) - 16)

    def test_a_batch_is_read(self):
        data = find_frame("BATCH from the bridge")
        records, remaining = frames.read_batch(data, 16, len(data), ["in"])
        self.assertEqual(remaining, 1000)
        first, second = records
        self.assertEqual(
            (first.value, first.key, first.topic, first.partition,
             first.offset, first.timestamp, first.attempt),
            (b"v1", b"k", "in", 3, 42, 1000, 1))
        self.assertEqual(first.header("h"), b"xy")
        self.assertIsNone(first.header("none"))
        self.assertEqual(
            (second.value, second.key, second.timestamp, second.headers),
            (None, None, -1, ()))

    def test_values_are_written(self):
        data = find_frame("RESULT from the worker")
        parts = frames.write_results([b"V1", None], no_topic)
        self.assertEqual(b"".join(parts), data[16:])
        self.assertEqual(
            b"".join(frames.write_results([b"V1", Drop()], no_topic)),
            data[16:])

    def test_every_status_is_written(self):
        data = find_frame("RESULT from the worker with every status")
        results = [[Output(None, key=b"K", headers={"a": None}, topic="more",
                           partition=5, timestamp=2000),
                    Output(b"", key=None)],
                   Retry("busy", delay=1.5), Reject("bad"), Pass()]
        parts = frames.write_results(results, lambda name: 0)
        self.assertEqual(b"".join(parts), data[16:])

    def test_a_delay_may_be_text(self):
        self.assertEqual(*(
            b"".join(frames.write_result(0, Retry("busy", delay=delay), None))
            for delay in (1.5, "1.5")))

    def test_a_failure_of_a_whole_batch_is_written(self):
        data = find_frame("RESULT from the worker that failed as a whole")
        self.assertEqual(
            frames.write_refusal(frames.OVERLOAD, 0.5, "full"), data[16:])

    def test_frames_without_payload_are_written(self):
        self.assertEqual(frame(frames.BYE),
                         find_frame("BYE from the worker"))
        self.assertEqual(frame(frames.PONG, batch=1),
                         find_frame("PONG from the worker"))

    def test_a_batch_that_is_cut_is_refused(self):
        data = find_frame("BATCH from the bridge")
        for end in range(24, len(data)):
            with self.subTest(end), self.assertRaises(Exception):
                frames.read_batch(data[:end], 16, end, ["in"])

    def test_text_is_written_as_utf_8(self):
        parts = frames.write_results(["ü"], no_topic)
        self.assertEqual(parts[-2], "ü".encode())

    def test_what_is_no_value_is_named(self):
        with self.assertRaisesRegex(TypeError, "found a int"):
            frames.write_results([1], no_topic)


if __name__ == "__main__":
    unittest.main()
