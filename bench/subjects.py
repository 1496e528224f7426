# SPDX-License-Identifier: Apache-2.0
"""What bench/run.py measures, and how: one call of a function here is one
measurement, and returns numbers by the name of their column."""
import json
import signal
import subprocess
import time
from pathlib import Path

from crowd import Crowd
from harness import BUILD, CHAOS, Background, wait_for

CPU, RATE = "µs CPU/record", "records/s"


def cpu_seconds(pid, name=""):
    """With the resolution of the scheduler, over all threads whose names begin
    so."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().startswith(name):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


class Floor:
    """The bare loop, with the same face as a Bridge."""

    def __init__(self, kit, source, sink):
        self.group = f"group-{sink}"
        self.command = [BUILD / "bench-floor",
                        f"brokers={kit.broker.address}", f"input={source}",
                        f"output={sink}", f"group={self.group}"]
        kit.bridges.append(self)

    def start(self):
        self.process = subprocess.Popen(self.command)
        return self

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.process.wait(10)

    def stop(self):
        self.signal(signal.SIGTERM)
        return self.process.wait(60)


def bridge(kit, source, sink, admin=False, **options):
    options.setdefault("function", "identity")
    options.setdefault("output_partition", "same")
    return kit.bridge(source, sink, f"bench-{sink}", admin=admin,
                      group=f"group-{sink}", bridge={}, **options)


def await_committed(kit, source, group, records):
    got = kit.tool("wait", topic=source, group=group, committed=records,
                   seconds=180)
    if not got.reached:
        raise RuntimeError(f"{group}: committed {got.committed} of {records}")


def stopped(subject):
    status = subject.stop()
    if status != 0:
        raise RuntimeError(f"{subject.group} left with {status}")


def settled_topic(kit, partitions):
    """A new topic, once all its partitions have a leader: until then each
    output to it is refused, and sent again and again. With 1,000 partitions
    that takes the broker seconds."""
    topic = kit.topic(partitions)
    if not kit.tool("wait", topic=topic, end=0, seconds=60).reached:
        raise RuntimeError(f"{topic}: no leaders")
    return topic


def passes(kit, source, records, make, partitions=8):
    """Processor time from the start of the process; the rate once a tenth is
    committed, so that joining the group is not in it."""
    sink = settled_topic(kit, partitions)
    subject = make(kit, source, sink).start()
    await_committed(kit, source, subject.group, records // 10)
    begin = time.monotonic()
    await_committed(kit, source, subject.group, records)
    took = time.monotonic() - begin
    cpu = cpu_seconds(subject.process.pid)
    stopped(subject)
    kit.tool("delete", topic=sink)
    return {CPU: cpu / records * 1e6, RATE: records * 0.9 / took}


def passes_beside(kit, source, records, beside):
    """How much of the process the admin server's thread is, while clients use
    it: their work is told from that of the records even where the rest of the
    machine varies more than either."""
    sink = kit.topic(8)
    subject = bridge(kit, source, sink, admin=True).start()
    begin = time.monotonic()
    clients = beside(subject) if beside else None
    await_committed(kit, source, subject.group, records)
    took = time.monotonic() - begin
    cpu = cpu_seconds(subject.process.pid)
    admin = cpu_seconds(subject.process.pid, "MHD")
    if clients:
        clients.stop()
    stopped(subject)
    kit.tool("delete", topic=sink)
    return {CPU: cpu / records * 1e6, RATE: records / took,
            "% of it in the admin server": admin / cpu * 100,
            "% of a core": admin / took * 100}


def crowd(subject):
    """1,000 clients that hold connections of the admin server, and some that
    ask and do not read."""
    if not wait_for(lambda: subject.get("/live"), 20):
        raise RuntimeError("it does not listen")
    return Crowd(subject.admin)


def scraper(subject):
    """A look at /metrics and at /status each second, as Prometheus and the
    page take it."""
    def look(asked):
        while not asked.wait(1):
            subject.get("/metrics")
            subject.get("/status")
    return Background(look)


def passes_by_many(kit, source, bindings, each):
    """One process; each of its bindings reads the whole source."""
    sinks = [kit.topic(8) for _ in range(bindings)]
    subject = bridge(kit, source, sinks[0])
    for i, sink in enumerate(sinks[1:], 2):
        subject.sections[f"binding b{i}"] = {
            **subject.binding, "output.topic": sink, "group": f"group-{sink}"}
    subject.write_config()
    subject.start()
    begin = time.monotonic()
    for sink in sinks:
        await_committed(kit, source, f"group-{sink}", each)
    took = time.monotonic() - begin
    cpu = cpu_seconds(subject.process.pid)
    stopped(subject)
    for sink in sinks:
        kit.tool("delete", topic=sink)
    records = each * bindings
    return {CPU: cpu / records * 1e6, RATE: records / took}


def infers(kit, source, records, batch, in_flight, base_us, each_us):
    """A model that takes base + each * n; Little's law says what it can do."""
    result = passes(kit, source, records, lambda kit, source, sink: bridge(
        kit, source, sink, function="delay", function_base=f"{base_us}us",
        function_per_record=f"{each_us}us", batch_count=batch,
        max_in_flight=in_flight))
    ideal = in_flight * batch / (base_us + each_us * batch) * 1e6
    return {"% of ideal": result[RATE] / ideal * 100, **result}


def latency(kit, rate, seconds, make):
    """make None: what Kafka itself takes."""
    source = kit.topic(8)
    sink = kit.topic(8) if make else source
    subject = None
    if make:
        subject = make(kit, source, sink).start()
        kit.tool("generate", topic=source, records=8, spread=True)
        await_committed(kit, source, subject.group, 8)
    out = subprocess.run(
        [BUILD / "bench-latency", f"brokers={kit.broker.address}",
         f"input={source}", f"output={sink}", f"rate={rate}",
         f"seconds={seconds}"], stdout=subprocess.PIPE, text=True, check=True)
    got = json.loads(out.stdout)
    if subject:
        stopped(subject)
    if got["seen"] != got["records"]:
        raise RuntimeError(f"{got['seen']} of {got['records']} were seen")
    return {"p50 ms": got["p50_ms"], "p99 ms": got["p99_ms"],
            "max ms": got["max_ms"]}


def passes_a_straggler(kit, source, records):
    """Records that leave while one call out of several does not end."""
    sink = kit.topic(8)
    subject = bridge(kit, source, sink, function=CHAOS, batch_count=100,
                     function_hold_time="60s", call_timeout="120s").start()

    def await_end(n):
        if not kit.tool("wait", topic=sink, end=n, seconds=120).reached:
            raise RuntimeError(f"{subject.group}: no {n} outputs")
    await_end(records // 10)
    begin = time.monotonic()
    await_end(records - 200)
    took = time.monotonic() - begin
    subject.kill()
    return {RATE: (records * 0.9 - 200) / took}


def holds_memory(kit, source, records, **options):
    sink = kit.topic(8)
    subject = bridge(kit, source, sink, **options).start()
    most = 0
    waiting = kit.tool_start("wait", topic=source, group=subject.group,
                             committed=records, seconds=180)
    while waiting.poll() is None:
        most = max(most, subject.rss_bytes())
        time.sleep(0.02)
    kit.tool_finish(waiting)
    stopped(subject)
    return {"MiB": most / 2**20}


def rests(kit, seconds):
    """A bridge without work."""
    subject = bridge(kit, kit.topic(8), kit.topic(8), admin=True).start()
    if not wait_for(lambda: (subject.get("/ready") or (0,))[0] == 200, 20):
        raise RuntimeError("not ready")
    time.sleep(seconds)
    memory = subject.rss_bytes()
    stopped(subject)
    return {"MiB": memory / 2**20}


def starts(kit, source):
    """From exec to the first record in the output topic."""
    sink = kit.topic(8)
    subject = bridge(kit, source, sink)
    waiting = kit.tool_start("wait", topic=sink, end=1, seconds=60)
    begin = time.monotonic()
    subject.start()
    kit.tool_finish(waiting)
    took = time.monotonic() - begin
    stopped(subject)
    return {"ms": took * 1e3}


def scrapes(kit, source, partitions, times):
    """Share of one core that a look at /metrics each second takes."""
    subject = bridge(kit, source, kit.topic(partitions), admin=True).start()
    if not wait_for(lambda: subject.partitions() == partitions, 60):
        raise RuntimeError("no partitions")
    time.sleep(2)  # the partitions' first fetches
    before = cpu_seconds(subject.process.pid)
    for _ in range(times):
        subject.get("/metrics")
    used = cpu_seconds(subject.process.pid) - before
    stopped(subject)
    return {"ms CPU/scrape": used / times * 1e3,
            "% of a core": used / times * 100}
