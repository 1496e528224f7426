# SPDX-License-Identifier: Apache-2.0
"""Clients of an admin server that only take its connections."""
import errno
import socket
import time

from harness import Background

IDLE, SLOW = 1000, 50
# More pages than the kernel keeps for a reader: the server waits to write.
ASKED = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200


class Client:
    """Says nothing, or asks much and reads 100 bytes a second."""

    def __init__(self, port, slow):
        self.slow = slow
        self.read_at = 0
        self.left = ASKED if slow else b""
        self.socket = socket.socket()
        if slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))

    def is_open(self, now):
        """Does its part, as far as the server lets it."""
        try:
            if self.left:
                self.left = self.left[self.socket.send(self.left):]
            if not self.slow:
                return self.socket.recv(100) != b""
            if now >= self.read_at:
                self.read_at = now + 1
                return self.socket.recv(100) != b""
        except BlockingIOError:
            pass
        except OSError as error:
            # Not accepted yet, or refused.
            return error.errno == errno.ENOTCONN
        return True


def gather(asked, port, idle, slow):
    """Each client whom the server has sent away comes back; how many did."""
    clients = [Client(port, i >= idle) for i in range(idle + slow)]
    again = 0
    while not asked.wait(0.05):
        now = time.monotonic()
        for i, client in enumerate(clients):
            if not client.is_open(now):
                client.socket.close()
                clients[i] = Client(port, client.slow)
                again += 1
    for client in clients:
        client.socket.close()
    return again


class Crowd(Background):
    def __init__(self, port, idle=IDLE, slow=SLOW):
        super().__init__(gather, port, idle, slow)
