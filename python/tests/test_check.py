# SPDX-License-Identifier: Apache-2.0
"""python -m kabridge check."""
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


class Check(unittest.TestCase):
    def check(self, script, lines, *words, function="score.py"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "score.py").write_text(textwrap.dedent(script))
            if isinstance(lines, bytes):
                Path(folder, "lines").write_bytes(lines)
            elif lines is not None:
                Path(folder, "lines").write_text(lines)
            return subprocess.run(
                [sys.executable, "-m", "kabridge", "check", function,
                 "lines", *words], cwd=folder, capture_output=True,
                text=True, timeout=60,
                env={**os.environ, "PYTHONPATH": str(PACKAGE)})

    def test_outputs_are_printed_in_order(self):
        done = self.check("""
            from kabridge import run
            def score(records):
                return [r.value.upper() for r in records]
            run(score)
        """, "a\nb\n\nc")
        self.assertEqual((done.stdout, done.returncode), ("A\nB\n\nC\n", 0))

    def test_a_function_of_a_module_is_found(self):
        done = self.check("""
            async def score(records):
                return [r.value for r in records]
        """, "a\n", function="score:score")
        self.assertEqual((done.stdout, done.returncode), ("a\n", 0))

    def test_rejected_lines_are_named(self):
        done = self.check("""
            from kabridge import Reject, run
            def score(records):
                return [Reject("too small") if r.value == b"b" else r.value
                        for r in records]
            run(score)
        """, "a\nb\nc\n")
        self.assertEqual((done.stdout, done.returncode), ("a\nc\n", 65))
        self.assertIn("line 2: rejected: too small", done.stderr)

    def test_a_batch_that_fails_is_named_and_the_next_goes_on(self):
        done = self.check("""
            from kabridge import run
            def score(records):
                if records[0].value == b"a":
                    raise ValueError("a")
                return [r.value for r in records]
            run(score)
        """, "a\nb\nc\nd\n", "--batch", "2")
        self.assertEqual((done.stdout, done.returncode), ("c\nd\n", 65))
        self.assertIn("lines 1 to 2: failed: ValueError: a", done.stderr)

    def test_what_the_bridge_would_refuse_fails_here(self):
        done = self.check("""
            from kabridge import run
            run(lambda records: [1 for r in records])
        """, "a\n")
        self.assertEqual(done.returncode, 65)
        self.assertIn("found a int", done.stderr)

    def test_a_line_is_bytes(self):
        done = self.check("""
            from kabridge import run
            run(lambda records: [r.value.hex() for r in records])
        """, b"\xff\r\n")
        self.assertEqual((done.stdout, done.returncode), ("ff0d\n", 0))

    def test_what_is_not_there_is_said_in_a_line(self):
        done = self.check("", "", function="other.py")
        self.assertEqual((done.stderr, done.returncode), (
            "kabridge: found no file other.py; wanted FILE.py or "
            "MODULE:FUNCTION\n", 64))
        done = self.check("", None)
        self.assertEqual((done.stderr, done.returncode), (
            "kabridge: cannot read lines: No such file or directory\n", 65))
        done = self.check("", "", "--batch", "0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--batch: found 0; wanted 1 or more", done.stderr)


if __name__ == "__main__":
    unittest.main()
