#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the image and runs docker/compose.yaml as a user would, on a Docker
daemon of its own.

    tests/docker/run.py           the last line: N passed, M failed

Exit status 77, with the reason, where no Docker daemon can be started. The
tests run in the order in which they stand: records flow the whole time, and
the last one counts them.
"""
import json
import signal
import sys
import threading
import time
import traceback

from machine import BASE, Machine, NoDaemon, say

MEGABYTE = 1000 * 1000
TESTS = []


def test(claim):
    def register(run):
        TESTS.append((claim, run))
        return run
    return register


def expect(is_so, words):
    if not is_so:
        raise AssertionError(words)


def wait_for(is_so, seconds, words):
    """Polls; what the condition last returned is part of the failure."""
    end = time.monotonic() + seconds
    while True:
        found = is_so()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {words}")
        time.sleep(0.5)


class Stage:
    """The composed set-up while it runs."""

    def __init__(self, machine):
        self.machine = machine

    def containers(self, service, *words):
        """Oldest first."""
        label = f"label=com.docker.compose.service={service}"
        return self.machine.docker("ps", "-q", "--filter", label,
                                   *words).stdout.split()[::-1]

    def bridges(self):
        """Those that run."""
        return self.containers("bridge")

    def health(self, name):
        return self.machine.inspect(name)["State"]["Health"]["Status"]

    def healthy_since(self, service):
        """When its container first became healthy; seconds of the epoch."""
        self.events.terminate()
        told, _ = self.events.communicate()
        return min(int(line.split()[0]) / 1e9 for line in told.splitlines()
                   if line.endswith(f" health_status: healthy {service}"))

    def all_are_healthy(self, count):
        names = self.bridges()
        return len(names) == count and all(
            self.health(name) == "healthy" for name in names)

    def tool(self, *words):
        done = self.machine.docker(
            "exec", "tool", "kab-kafka-tool", words[0], "brokers=kafka:9092",
            *words[1:], timeout=200)
        return json.loads(done.stdout)

    def create_topic(self, name):
        self.machine.docker("exec", "tool", "kab-kafka-tool", "create",
                            "brokers=kafka:9092", f"topic={name}")

    def members(self):
        """How many partitions each member of the bridge's group has."""
        found = self.tool("group", "topic=words", "group=kabridge-upper")
        return [member["partitions"] for member in found["members"]]

    def end(self, topic):
        return self.tool("wait", f"topic={topic}", "end=1",
                         "seconds=0")["end"]

    def records_flow(self, seconds=30):
        """What comes in from now on goes out."""
        wanted = self.end("words") + 1
        found = self.tool("wait", "topic=shouted", f"end={wanted}",
                          f"seconds={seconds}")
        expect(found["reached"], f"{wanted} outputs within {seconds} s: "
                                 f"{found['end']}")

    def start(self):
        begin = time.monotonic()
        # The daemon's own memory of events is soon full of health checks.
        self.events = self.machine.popen(
            "events", "--filter", "event=health_status", "--format",
            "{{.TimeNano}} {{.Action}} "
            "{{index .Actor.Attributes \"com.docker.compose.service\"}}")
        self.machine.compose("up", "-d", timeout=300)
        say(f"docker-compose up took {time.monotonic() - begin:.1f} s")
        self.machine.docker(
            "run", "-d", "--name", "tool", "--network",
            "kabridgetest_default", "--entrypoint", "sleep",
            "kabridge-test-tool", "infinity")

    def logs(self):
        """For whoever looks for the cause of a failure."""
        return (self.machine.docker("ps", "-a").stdout
                + self.machine.compose("logs", "--no-color", "--tail=25",
                                       check=False).stdout)

    def stop(self):
        self.machine.docker("rm", "-f", "tool", "copy", "lonely",
                            check=False)
        self.machine.compose("down", "-v", "-t", "1", check=False)


@test("the image adds less than 60 MB to its base")
def image_is_small(stage):
    size = {name: stage.machine.inspect(name, "image")["Size"] / MEGABYTE
            for name in (BASE, "kabridge-test")}
    added = size["kabridge-test"] - size[BASE]
    say(f"the image adds {added:.1f} MB to a base of {size[BASE]:.1f} MB")
    expect(added < 60, f"found {added:.1f} MB")


@test("the image runs as nobody, gets signals itself, and has a health check")
def image_is_made_right(stage):
    config = stage.machine.inspect("kabridge-test", "image")["Config"]
    expect(config["User"] == "65532:65532", f"user {config['User']}")
    expect(config["Entrypoint"] == ["/usr/bin/kabridge"],
           f"entry point {config['Entrypoint']}")
    expect(config["Healthcheck"]["Test"][0] == "CMD",
           f"health check {config['Healthcheck']}")


@test("every function that ships is in the image")
def image_has_functions(stage):
    told = stage.machine.docker("run", "--rm", "--network", "none",
                                "kabridge-test", "functions").stdout
    missing = [name for name in ("delay", "http", "identity", "sql", "worker")
               if f"{name}: " not in told]
    expect(not missing, f"found no {', '.join(missing)} in:\n{told}")


@test("a topic that the environment does not name is a fault, with status 78")
def missing_topics_are_named(stage):
    done = stage.machine.docker("run", "--rm", "--network", "none",
                                "kabridge-test", check=False)
    expect(done.returncode == 78, f"exit status {done.returncode}")
    expect("KABRIDGE_INPUT_TOPICS" in done.stderr, done.stderr)


@test("without a broker the container is unhealthy, says why, and stops")
def lonely_bridge_says_why(stage):
    stage.machine.docker(
        "run", "-d", "--name", "lonely", "--network", "none",
        "--health-interval", "1s", "--health-start-period", "1s",
        "-e", "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1",
        "-e", "KABRIDGE_INPUT_TOPICS=words",
        "-e", "KABRIDGE_OUTPUT_TOPIC=copies", "kabridge-test")
    wait_for(lambda: stage.health("lonely") == "unhealthy", 40, "unhealthy")
    told = stage.machine.inspect("lonely")["State"]["Health"]["Log"][-1]
    expect("not ready: binding main: no broker" in told["Output"], told)
    begin = time.monotonic()
    stage.machine.docker("stop", "-t", "35", "lonely")
    took = time.monotonic() - begin
    expect(took < 20, f"the stop took {took:.1f} s")
    state = stage.machine.inspect("lonely")["State"]
    expect(state["ExitCode"] == 0, f"exit status {state['ExitCode']}")


@test("docker-compose up: output less than 15 s after the broker is healthy")
def first_output_is_quick(stage):
    stage.start()
    found = stage.tool("wait", "topic=shouted", "end=1", "seconds=60")
    now = time.time()
    expect(found["reached"], "an output within a minute")
    healthy = stage.healthy_since("kafka")
    say(f"first output {now - healthy:.1f} s after the broker was healthy")
    expect(now - healthy < 15, f"found {now - healthy:.1f} s")


@test("the bridge becomes healthy and records flow")
def records_flow(stage):
    wait_for(lambda: stage.all_are_healthy(1), 40, "one healthy bridge")
    stage.records_flow()


@test("the bridge needs no resources section and no writable file system")
def nothing_is_granted(stage):
    name, = stage.bridges()
    host = stage.machine.inspect(name)["HostConfig"]
    expect(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"]
           and not host["Privileged"], "read-only, no capabilities")
    expect(host["Memory"] == 0 and host["NanoCpus"] == 0,
           "no limits are set in compose.yaml")
    expect(not host.get("Tmpfs") and all(
        mount["RW"] is False
        for mount in stage.machine.inspect(name)["Mounts"]),
        "nothing it could write to is mounted")


@test("topics bound by the environment alone, on a read-only file system")
def environment_binds_topics(stage):
    stage.create_topic("copies")
    stage.machine.docker(
        "run", "-d", "--name", "copy", "--network", "kabridgetest_default",
        "--read-only", "--cap-drop", "ALL",
        "-e", "KABRIDGE_INPUT_TOPICS=words",
        "-e", "KABRIDGE_OUTPUT_TOPIC=copies", "kabridge-test")
    wait_for(lambda: stage.health("copy") == "healthy", 40, "healthy")
    wanted = stage.end("words")
    found = stage.tool("wait", "topic=copies", f"end={wanted}", "seconds=30")
    expect(found["reached"], f"{wanted} copies: {found}")


@test("docker stop drains and leaves with 0; a start goes on")
def stop_drains(stage):
    name, = stage.bridges()
    begin = time.monotonic()
    stage.machine.docker("stop", "-t", "35", name)
    state = stage.machine.inspect(name)["State"]
    say(f"docker stop took {time.monotonic() - begin:.1f} s")
    expect(state["ExitCode"] == 0 and not state["OOMKilled"],
           f"exit status {state['ExitCode']}")
    expect("stopping" in stage.machine.log(name), "the log says that it stops")
    stage.machine.docker("start", name)
    stage.records_flow()


@test("scaled to three replicas, all get partitions")
def three_replicas_share(stage):
    stage.machine.compose("up", "-d", "--no-recreate", "--scale", "bridge=3")
    wait_for(lambda: stage.all_are_healthy(3), 60, "three healthy bridges")
    wait_for(lambda: sorted(stage.members()) == [2, 2, 2], 30,
             "two of six partitions each")
    stage.records_flow()


@test("a replica is killed: the others take over within a session")
def killed_replica_is_replaced(stage):
    stage.machine.docker("kill", stage.bridges()[1])
    wait_for(lambda: sorted(stage.members()) == [3, 3], 40,
             "three of six partitions each")
    stage.records_flow()


@test("the broker's container restarts: the bridges wait and go on")
def broker_restarts(stage):
    kafka, = stage.containers("kafka")
    stage.machine.docker("restart", "-t", "10", kafka)
    wait_for(lambda: stage.health(kafka) == "healthy", 90, "a healthy broker")
    wait_for(lambda: stage.all_are_healthy(2), 60, "two healthy bridges")
    stage.records_flow(60)


@test("scaled back to one: each that leaves drains with 0")
def replicas_leave(stage):
    leaving = stage.bridges()[1:]
    statuses = {}

    def watch(name):
        done = stage.machine.docker("wait", name)
        statuses[name] = done.stdout.strip()
    threads = [threading.Thread(target=watch, args=(name,))
               for name in leaving]
    for thread in threads:
        thread.start()
    stage.machine.compose("up", "-d", "--no-recreate", "--scale", "bridge=1")
    for thread in threads:
        thread.join()
    expect(list(statuses.values()) == ["0"] * len(leaving),
           f"exit statuses {statuses}")
    wait_for(lambda: stage.members() == [6], 30, "one member with all")
    stage.records_flow()


def written_records(stage):
    """Ends the generator; how many it has written."""
    name, = stage.containers("generator", "-a")
    stage.machine.docker("stop", "-t", "60", name)
    return json.loads(stage.machine.log(name).splitlines()[-1])["records"]


@test("after all of that no record is lost and each key is in order")
def nothing_is_lost(stage):
    records = written_records(stage)
    # A generator that meets the restart may itself have written some twice.
    say(f"words: {stage.tool('check', 'topic=words', f'records={records}')}")
    for topic, group, output in (("words", "kabridge-upper", "shouted"),
                                 ("words", "kabridge-main", "copies")):
        found = stage.tool("wait", f"topic={topic}", f"group={group}",
                           "lag=0", "seconds=60")
        expect(found["reached"], f"{group} is done: {found}")
        same = ["bytes=true"] if output == "copies" else ["order=key"]
        found = stage.tool("check", f"topic={output}", f"records={records}",
                           *same)
        say(f"{output}: {found}")
        expect(found["lost"] == 0 and found["foreign"] == 0
               and found["different"] == 0 and found["disorder"] == 0,
               f"{output}: {found}")


def run_tests(stage):
    passed = failed = 0
    print(f"1..{len(TESTS)}")
    for number, (claim, run) in enumerate(TESTS, 1):
        begin = time.monotonic()
        try:
            run(stage)
            passed += 1
            verdict = "ok"
        except Exception:
            failed += 1
            verdict = "not ok"
            traceback.print_exc(file=sys.stdout)
            print(stage.logs())
        print(f"{verdict} {number} - {claim} "
              f"({time.monotonic() - begin:.1f} s)", flush=True)
    return passed, failed


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        machine = Machine().__enter__()
    except NoDaemon as reason:
        print(f"the Docker tests did not run: {reason}")
        print("0 passed, 0 failed")
        return 77
    try:
        machine.make_images()
        stage = Stage(machine)
        try:
            passed, failed = run_tests(stage)
        finally:
            stage.stop()
    finally:
        machine.__exit__()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
