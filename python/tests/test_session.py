# SPDX-License-Identifier: Apache-2.0
"""Frames arrive in whatever pieces the socket gives."""
import socket
import threading
import unittest

from kabridge import frames
from kabridge.session import BUFFER_SIZE, Session


def batches(sizes):
    """A BATCH frame of each size; what is in it does not matter here."""
    return [frames.frame(frames.BATCH, bytes([i]) * size, 0, i)
            for i, size in enumerate(sizes)]


def received(pieces):
    """Numbers and payloads of the batches that a session takes out of them."""
    ours, theirs = socket.socketpair()
    found = []
    session = Session(theirs)

    def send():
        for piece in pieces:
            ours.sendall(piece)
        ours.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        session.read(lambda batch: found.append(
            (batch[1], bytes(batch[2][batch[3]:batch[4]]))))
    except EOFError:
        pass
    sender.join()
    theirs.close()
    return found


class Pieces(unittest.TestCase):
    def check(self, sizes, piece):
        data = b"".join(batches(sizes))
        cut = [data[i:i + piece] for i in range(0, len(data), piece)]
        self.assertEqual(received(cut), [(i, bytes([i]) * size)
                                         for i, size in enumerate(sizes)])

    def test_small_pieces(self):
        for piece in (1, 7, 15, 16, 17, 100):
            with self.subTest(piece):
                self.check([0, 1, 16, 300, 5], piece)

    def test_frames_about_as_large_as_the_buffer(self):
        for size in range(BUFFER_SIZE - 17, BUFFER_SIZE + 2):
            with self.subTest(size):
                self.check([20, size, 7], 300000)

    def test_frames_larger_than_the_buffer(self):
        self.check([3, 3 * BUFFER_SIZE, 0, 2 * BUFFER_SIZE, 40], 1000000)


if __name__ == "__main__":
    unittest.main()
