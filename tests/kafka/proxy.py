# SPDX-License-Identifier: Apache-2.0
"""A port in front of another one, for tests that meddle with connections."""
import socket
import threading


class Proxy:
    """Passes bytes both ways until either end closes. A subclass says what
    becomes of the bytes that go in (towards the server) and out."""

    CHUNK = 65536

    def __init__(self, inside, port=0):
        self.inside = inside
        self.door = socket.create_server(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self.door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()

    def prepare(self, end):
        """Called with each socket of a new connection."""

    def goes_in(self, data):
        """False: the connection is closed, and the bytes do not go on."""
        return True

    def goes_out(self, data):
        return True

    def _serve(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.inside)
            except OSError:
                client.close()
                continue
            for end in client, server:
                self.prepare(end)
            for words in ((client, server, self.goes_in),
                          (server, client, self.goes_out)):
                threading.Thread(target=self._pass, args=words,
                                 daemon=True).start()

    def _pass(self, source, sink, goes):
        try:
            while (data := source.recv(self.CHUNK)) and goes(data):
                sink.sendall(data)
        except OSError:
            pass
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
