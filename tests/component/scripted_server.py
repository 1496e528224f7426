# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that a test scripts, down to when a connection is closed and
how. It keeps every request that it has read.
"""
import json
import socket
import threading


class Closed(Exception):
    """Raised by a script: the connection is to be closed without an answer."""

    def __init__(self, is_reset=False):
        super().__init__()
        self.is_reset = is_reset


class Request:
    def __init__(self, line, headers, body, number, number_here):
        self.method, self.target, _ = line.split(" ")
        self.headers, self.body = headers, body
        self.number = number  # of all requests, from 1
        self.number_here = number_here  # on its connection, from 1

    def values(self):
        return json.loads(self.body)


def reply(body, status=200, **headers):
    """An answer with Content-Length; body may be anything that JSON can say."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["HTTP/1.1 %d X" % status, "Content-Type: application/json",
             "Content-Length: %d" % len(body)]
    lines += ["%s: %s" % (k.replace("_", "-"), v) for k, v in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body):
    """The same without a length beforehand."""
    parts = [b"%x\r\n%s\r\n" % (len(part), part)
             for part in (body[i:i + 4096] for i in range(0, len(body), 4096))]
    return (b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts) + b"0\r\n\r\n")


class Server:
    """Answers with what script(request) returns."""

    def __init__(self, script):
        self.script = script
        self.requests = []
        self.connections = set()
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def stop(self):
        """As a process that dies: nobody listens, and connections are reset."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.connections:
                reset(connection)

    @property
    def url(self):
        return "http://127.0.0.1:%d/x" % self.port

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def read(self, stream, number_here):
        line = stream.readline().decode().strip()
        if not line:
            raise Closed()
        headers = {}
        for raw in iter(lambda: stream.readline().decode().strip(), ""):
            name, _, value = raw.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        with self.lock:
            request = Request(line, headers, body, len(self.requests) + 1, number_here)
            self.requests.append(request)
        return request

    def serve(self, connection):
        stream = connection.makefile("rb")
        number_here = 0
        try:
            while True:
                number_here += 1
                connection.sendall(self.script(self.read(stream, number_here)))
        except Closed as end:
            if end.is_reset:
                reset(connection)
        except OSError:
            pass
        finally:
            stream.close()
            connection.close()
            with self.lock:
                self.connections.discard(connection)


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def echo(request):
    return reply(request.values())
