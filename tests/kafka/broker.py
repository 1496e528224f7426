#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One real Apache Kafka node (KRaft, broker and controller in one) for tests.

The one command that starts a broker, and prints its address:

    tests/kafka/broker.py start DIR          e.g. 127.0.0.1:19432

DIR holds its settings, log and data; it is made if it does not exist. Then

    tests/kafka/broker.py stop DIR           ask it to end, and wait
    tests/kafka/broker.py kill DIR           end it at once
    tests/kafka/broker.py pause DIR          SIGSTOP
    tests/kafka/broker.py resume DIR         SIGCONT
    tests/kafka/broker.py remove DIR         kill it and delete DIR
    tests/kafka/broker.py fetch              only fetch Kafka

`start` on a DIR that was stopped starts the same node with the same data on
the same port. Kafka is fetched once with Maven into the user's cache folder.
As a module: `with Broker() as broker: broker.address`; if the environment
has KABRIDGE_TEST_BROKERS that address is used, and faults cannot be made.
"""
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VERSION = "4.1.2"
HERE = Path(__file__).resolve().parent
READY_S = 90
# Generated records have old timestamps, and a topic whose properties are
# altered takes the broker's retention: it would delete them at once.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=16777216
log.retention.ms=-1
"""


def cache():
    """The folder with Kafka's jars, outside the tree."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kabridge" / f"kafka-{VERSION}"


def fetch():
    """Fetches Kafka unless it is there; safe to run side by side."""
    jars = cache()
    jars.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{jars}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if jars.is_dir():
            return jars
        print(f"fetching Apache Kafka {VERSION} with Maven", file=sys.stderr)
        part = Path(tempfile.mkdtemp(dir=jars.parent))
        shutil.copy(HERE / "pom.xml", part / "pom.xml")
        done = subprocess.run(
            ["mvn", "-B", "-q", "-Dstyle.color=never", "-f", part / "pom.xml",
             "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
            stdout=sys.stderr)
        if done.returncode != 0:
            shutil.rmtree(part)
            raise SystemExit("Maven could not fetch Kafka, see above")
        part.rename(jars)
    return jars


def free_port(avoid=()):
    """A port nobody listens on. Below the range from which the kernel takes
    the ports of outgoing connections, so that none takes it while the broker
    is down."""
    low = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    for _ in range(1000):
        port = random.randrange(max(1024, int(low) - 20000), int(low))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in avoid:
            return port
    raise RuntimeError("no free port on 127.0.0.1")


class Broker:
    """A node in a folder of its own; removed with its data at the end of a
    `with` block if the folder was made here. `more` are further properties,
    which come last and so win; {broker}, {controller} and {spare} are its
    ports. With them it is always a node of our own."""

    def __init__(self, folder=None, more=""):
        self.external = None
        self.more = more
        self.own = folder is None
        if self.own and not more:
            self.external = os.environ.get("KABRIDGE_TEST_BROKERS")
        if self.own and not self.external:
            folder = tempfile.mkdtemp(prefix="kabridge-broker.")
        self.folder = folder and Path(folder).resolve()

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    @property
    def address(self):
        if self.external:
            return self.external
        return (self.folder / "address").read_text().strip()

    def listener(self, protocol):
        """The address of another listener that `more` gave it."""
        text = (self.folder / "server.properties").read_text()
        return re.findall(f"{protocol}://([^,\\n]+)", text)[-1]

    @property
    def pid(self):
        """Of the running node, or None."""
        try:
            pid = int((self.folder / "pid").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        mine = str(self.folder).encode() in line
        return pid if mine and state.split()[0] != "Z" else None

    def _java(self, *words, **more):
        command = ["java", "-Xmx512m", "-Xss512k", "-XX:+UseSerialGC",
                   "-Dorg.slf4j.simpleLogger.showDateTime=true",
                   "-Dorg.slf4j.simpleLogger.dateTimeFormat="
                   "yyyy-MM-dd HH:mm:ss.SSS", "-Duser.timezone=UTC",
                   "-cp", f"{fetch()}/*", *map(str, words)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                stderr=subprocess.STDOUT, **more)

    def _format(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        controller = free_port((port,))
        properties = self.folder / "server.properties"
        properties.write_text((PROPERTIES + self.more).format(
            broker=port, controller=controller,
            spare=free_port((port, controller)),
            data=self.folder / "data"))
        with open(self.folder / "format.log", "wb") as log:
            java = self._java("kafka.tools.StorageTool", "format", "-t",
                              "kabridgetestsAAAAAAAAA", "-c", properties,
                              stdout=log)
            if java.wait() != 0:
                raise RuntimeError(f"format: see {log.name}")
        (self.folder / "address").write_text(f"127.0.0.1:{port}\n")

    def start(self):
        """Starts the node and waits until it serves; no effect if it runs."""
        if self.external:
            return self.external
        if not (self.folder / "address").exists():
            self._format()
        if self.pid:
            return self.address
        path = self.folder / "server.log"
        begin = path.stat().st_size if path.exists() else 0
        with open(path, "ab") as log:
            java = self._java("kafka.Kafka",
                              self.folder / "server.properties",
                              stdout=log, start_new_session=True)
        (self.folder / "pid").write_text(str(java.pid))
        self._wait_until_it_serves(java, path, begin)
        return self.address

    def _wait_until_it_serves(self, java, path, begin):
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            with open(path, "rb") as log:
                log.seek(begin)
                if b"Kafka Server started" in log.read():
                    return
            if java.poll() is not None:
                break
            time.sleep(0.05)
        tail = path.read_text(errors="replace")[-3000:]
        raise RuntimeError(f"the broker did not start; end of {path}:\n{tail}")

    def _signal(self, number):
        if self.external:
            raise RuntimeError("faults need a broker of our own")
        if self.pid:
            os.kill(self.pid, number)

    def _wait_until_gone(self, seconds):
        end = time.monotonic() + seconds
        while self.pid and time.monotonic() < end:
            try:
                os.waitpid(self.pid, os.WNOHANG)
            except (ChildProcessError, TypeError):
                pass
            time.sleep(0.02)
        return self.pid is None

    def stop(self):
        """Ends the node as an administrator would."""
        self._signal(signal.SIGTERM)
        if not self._wait_until_gone(30):
            self.kill()

    def kill(self):
        self._signal(signal.SIGKILL)
        self._wait_until_gone(10)

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def remove(self):
        if self.external:
            return
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(words):
    verbs = ("start", "stop", "kill", "pause", "resume", "remove")
    if words == ["fetch"]:
        print(fetch())
    elif len(words) == 2 and words[0] in verbs:
        result = getattr(Broker(words[1]), words[0])()
        if result:
            print(result)
    else:
        print(__doc__, file=sys.stderr)
        return 64
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
