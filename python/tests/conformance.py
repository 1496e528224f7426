# SPDX-License-Identifier: Apache-2.0
"""The frames of tests/worker/frames.txt, by name."""
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "tests" / "worker" / "frames.txt"


def read_frames():
    """A list of (name, bytes)."""
    frames = []
    for line in FILE.read_text().splitlines():
        if line.startswith("    "):
            frames[-1][1] += bytes.fromhex(line.split(";")[0])
        elif line.strip() and not line.startswith("#"):
            frames.append([line, bytearray()])
    return [(name, bytes(data)) for name, data in frames]


def find_frame(name):
    return next(data for found, data in read_frames() if found == name)
