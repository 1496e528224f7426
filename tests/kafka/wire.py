# SPDX-License-Identifier: Apache-2.0
"""Exactly-once where a transaction's outputs take long to arrive: behind a
slow wire, and under a producer quota. 15 MB wait, all options are defaults.

A transaction has 10 s, in which 5 MB arrive. 15 MB are the least that make at
least one transaction too large, however the records fall into the first two:
with more than 5 MB in the first it is that one, else the second."""
import socket
import subprocess
import threading
import time

from broker import Broker, free_port
from harness import test
from proxy import Proxy

WIRE_BYTES_A_SECOND = 500_000
QUOTA_BYTES_A_SECOND = 500_000
RECORDS, RECORD_BYTES = 15_000, 1000


class Wire(Proxy):
    """Passes so many bytes a second towards the broker, over all connections,
    and answers at full speed: input that came slowly, too, would make small
    transactions of its own accord."""

    CHUNK = 8192

    def __init__(self, port, inside, bytes_a_second):
        self.pace = bytes_a_second
        self.lock = threading.Lock()
        self.due = 0.0
        super().__init__(("127.0.0.1", inside), port)

    def prepare(self, end):
        """The kernel's own buffers would hold seconds of the wire."""
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)

    def goes_in(self, data):
        with self.lock:
            now = time.monotonic()
            self.due = max(self.due, now) + len(data) / self.pace
            wait = self.due - now
        time.sleep(wait)
        return True


WIRE_PORT = free_port()


def behind_a_wire():
    """Its second listener advertises the wire's port."""
    return Broker(more=f"""\
listeners=PLAINTEXT://127.0.0.1:{{broker}},WIRE://127.0.0.1:{{spare}},\
CONTROLLER://127.0.0.1:{{controller}}
advertised.listeners=PLAINTEXT://127.0.0.1:{{broker}},\
WIRE://127.0.0.1:{WIRE_PORT}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,WIRE:PLAINTEXT,\
CONTROLLER:PLAINTEXT
""")


def spare_port(broker):
    text = (broker.folder / "server.properties").read_text()
    for line in text.splitlines():
        if line.startswith("listeners=") and "WIRE" in line:
            return int(line.split("WIRE://127.0.0.1:")[1].split(",")[0])
    raise RuntimeError("no listener for the wire")


def goes_through(kit, source, bridge, seconds):
    """Everything is committed in time. Where the first transaction is too
    large for it, each that fails halves the next one."""
    bridge.start()
    kit.caught_up(bridge, source, seconds)
    metrics = bridge.metrics()
    kit.note(f"producers lost: {metrics.total('sinks_lost_total'):.0f}, "
             "transactions aborted: "
             f"{metrics.total('transactions_total', result='aborted'):.0f}")


@test("a wire of 500 kB/s, exactly once", "wire", behind_a_wire)
def a_slow_wire_commits_under_exactly_once(kit):
    source, sink = kit.topic(4), kit.topic(4)
    kit.tool("generate", topic=source, records=RECORDS, size=RECORD_BYTES)
    with Wire(WIRE_PORT, spare_port(kit.broker), WIRE_BYTES_A_SECOND):
        bridge = kit.bridge(source, sink, delivery="exactly-once")
        bridge.sections["kafka"]["bootstrap.servers"] = (
            f"127.0.0.1:{WIRE_PORT}")
        bridge.write_config()
        goes_through(kit, source, bridge, 150)
        kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=RECORDS,
                         size=RECORD_BYTES))


def set_quota(broker):
    java = broker._java(
        "kafka.admin.ConfigCommand", "--bootstrap-server", broker.address,
        "--alter", "--entity-type", "clients", "--entity-name", "kabridge",
        "--add-config", f"producer_byte_rate={QUOTA_BYTES_A_SECOND}",
        stdout=subprocess.PIPE)
    out, _ = java.communicate()
    if java.returncode != 0:
        raise RuntimeError(out.decode(errors="replace"))


@test("a producer quota of 500 kB/s, exactly once", "wire",
      lambda: Broker(more="quota.window.num=3\n"))
def a_quota_commits_under_exactly_once(kit):
    set_quota(kit.broker)
    source, sink = kit.topic(4), kit.topic(4)
    kit.tool("generate", topic=source, records=RECORDS, size=RECORD_BYTES)
    bridge = kit.bridge(source, sink, delivery="exactly-once")
    goes_through(kit, source, bridge, 150)
    kit.expect(bridge.stop() == 0, "leaves with 0")
    kit.arrived(kit.tool("check", topic=sink, records=RECORDS,
                         size=RECORD_BYTES))
