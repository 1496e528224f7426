# SPDX-License-Identifier: Apache-2.0
"""Access rules of a broker, over its protocol.

librdkafka 2.0 knows no transactional ids among the resources of a rule, and
Kafka's own command takes seconds; three requests of one shape do it all. They
are sent in version 1, the last one without flexible fields.
"""
import socket
import struct

from harness import wait_for

DESCRIBE, CREATE, DELETE = 29, 30, 31
KINDS = {"topic": 2, "group": 3, "cluster": 4, "transactional-id": 5}
OPERATIONS = {"read": 3, "write": 4, "create": 5, "describe": 8,
              "describe-configs": 10, "idempotent-write": 12}
LITERAL, ALLOW = 3, 3


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


def ask(address, key, body):
    """Sends one request; what follows the throttle time of its answer."""
    host, port = address.rsplit(":", 1)
    request = struct.pack(">hhi", key, 1, 0) + text("kabridge-tests") + body
    with socket.create_connection((host, int(port)), 30) as stream:
        stream.sendall(struct.pack(">i", len(request)) + request)
        with stream.makefile("rb") as answer:
            size, = struct.unpack(">i", answer.read(4))
            return answer.read(size)[8:]


class Acls:
    """Rules that allow one user something; all others are refused. A change
    returns when the broker goes by it."""

    def __init__(self, address):
        self.address = address

    @staticmethod
    def _rule(user, kind, name, operation):
        return (struct.pack(">b", KINDS[kind]) + text(name)
                + struct.pack(">b", LITERAL) + text(f"User:{user}")
                + text("*") + struct.pack(">bb", OPERATIONS[operation], ALLOW))

    def _change(self, key, rule):
        answer = ask(self.address, key, struct.pack(">i", 1) + rule)
        count, code = struct.unpack(">ih", answer[:6])
        if count != 1 or code:
            raise RuntimeError(f"request {key} was refused: error {code}")

    def _is_there(self, rule):
        answer = ask(self.address, DESCRIBE, rule)
        code, length = struct.unpack(">hh", answer[:4])
        found, = struct.unpack(">i", answer[4 + max(length, 0):][:4])
        if code:
            raise RuntimeError(f"rules cannot be read: error {code}")
        return found > 0

    def grant(self, user, kind, name, *operations):
        for operation in operations:
            rule = self._rule(user, kind, name, operation)
            self._change(CREATE, rule)
            if not wait_for(lambda: self._is_there(rule), 30, 0.005):
                raise RuntimeError("a rule that was made does not show")

    def revoke(self, user, kind, name, *operations):
        for operation in operations:
            rule = self._rule(user, kind, name, operation)
            self._change(DELETE, rule)
            if not wait_for(lambda: not self._is_there(rule), 30, 0.005):
                raise RuntimeError("a rule that was deleted still shows")
