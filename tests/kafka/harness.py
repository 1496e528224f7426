# SPDX-License-Identifier: Apache-2.0
"""What the tests against a real broker stand on.

A test is a function with the decorator @test; it gets a Kit: a broker, topics
of its own, bridges, and `expect`, which prints one ok or not ok line for each
claim. Whatever a test starts is ended when it returns, and the end of each
bridge's log is shown if a claim failed.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from bridge import BUILD, Bridge
from broker import Broker
from newer import newer_library

CHAOS = BUILD / ".libs" / "chaos.so"

TESTS = {}


def test(sentence, suite, broker=Broker, alone=False):
    """Registers a test under its function's name; broker makes the one that
    it is run on, shared with its neighbours that name the same. alone: what
    it claims is a matter of milliseconds, so no other test runs beside it."""
    def register(function):
        TESTS[function.__name__] = SimpleNamespace(
            name=function.__name__, sentence=sentence, suite=suite,
            broker=broker, alone=alone, run=function)
        return function
    return register


def wait_for(condition, seconds, step=0.05):
    """The first true value of condition(), or the last one at the end."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


def size(path):
    """Of a file; 0 if it is not there."""
    return path.stat().st_size if path.exists() else 0


class Kit:
    """What one test has to hand."""

    def __init__(self, broker, label="test"):
        self.broker = broker
        self.label = label
        self.folder = Path(tempfile.mkdtemp(prefix="kabridge-test."))
        self.bridges = []
        self.started = []
        self.topics = 0
        self.failures = 0
        self.claims = 0

    def expect(self, claim, sentence):
        self.claims += 1
        self.failures += not claim
        print(f"{'ok' if claim else 'not ok'} - {self.label}: {sentence}",
              flush=True)
        return bool(claim)

    def note(self, text):
        print(f"# {text}", flush=True)

    def tool_start(self, verb, **words):
        command = [BUILD / "kab-kafka-tool", verb,
                   f"brokers={self.broker.address}"]
        for name, value in words.items():
            if isinstance(value, bool):
                value = str(value).lower()
            command.append(f"{name.replace('_', '.')}={value}")
        # What checks is the same, whichever library is under test.
        environment = {name: value for name, value in os.environ.items()
                       if name != "LD_LIBRARY_PATH"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                   env=environment)
        self.started.append(process)
        return process

    def tool_finish(self, process):
        out, _ = process.communicate()
        self.started.remove(process)
        if process.returncode != 0:
            raise RuntimeError(f"{process.args}: {process.returncode}")
        lines = out.splitlines()
        return SimpleNamespace(**json.loads(lines[-1])) if lines else None

    def tool(self, verb, **words):
        return self.tool_finish(self.tool_start(verb, **words))

    def dump(self, topic, limit=100000):
        process = self.tool_start("dump", topic=topic, limit=limit)
        out, _ = process.communicate()
        return [json.loads(line) for line in out.splitlines()]

    def topic(self, partitions=8, name=None, **config):
        self.topics += 1
        stamp = f"{os.getpid()}-{time.monotonic_ns() // 1000000}"
        name = name or f"{self.label[:40]}-{stamp}-{self.topics}"
        words = {"config": ",".join(f"{k.replace('_', '.')}:{v}" for k, v in
                                    config.items())} if config else {}
        self.tool("create", topic=name, partitions=partitions, **words)
        return name

    def bridge(self, source, sink, name=None, bridge=None, instance=None,
               admin=True, environment=None, **options):
        """A bridge between two topics, not started. Options are written as
        in the file with _ for . ; function options as function_NAME."""
        name = name or f"bridge{len(self.bridges) + 1}"
        binding = {"input.topics": source, "function": CHAOS}
        if sink:
            binding["output.topic"] = sink
        binding["group"] = f"group-{source}"
        for key, value in options.items():
            binding[key.replace("_", ".")] = value
        made = Bridge(self, name, binding, bridge, instance, admin,
                      environment)
        self.bridges.append(made)
        return made

    def command(self, *words, seconds=60, **more):
        """Runs the kabridge command; its status, stdout and stderr."""
        return subprocess.run([BUILD / "kabridge", *map(str, words)],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=seconds, **more)

    def wait_lag(self, bridge, source, seconds=60, lag=0):
        return self.tool("wait", topic=source, group=bridge.group, lag=lag,
                         seconds=seconds)

    def caught_up(self, bridge, source, seconds=60):
        got = self.wait_lag(bridge, source, seconds)
        if not got.reached:
            self._tell_why()
        return self.expect(
            got.reached, "committed offsets equal the end "
            f"(committed {got.committed} of {got.end}, {got.seconds:.1f} s)")

    def _tell_why(self):
        """The lag does not go: what each bridge says of itself."""
        for bridge in self.bridges:
            if not bridge.alive:
                self.note(f"why: {bridge.name} does not run")
                continue
            for b in (bridge.status() or {}).get("bindings", ()):
                self.note(f"why: {bridge.name}: {b['state']}, {b['reason']}; "
                          f"{b['calls_in_flight']} calls, "
                          f"{b['buffer_records']} records; "
                          f"stall {json.dumps(b['stall'])}; "
                          f"last error {b['last_error']}")
                for p in b["partitions"]:
                    self.note(f"why:   [{p['partition']}] {p['state']} at "
                              f"{p['position']}, committed {p['committed']}, "
                              f"oldest {p['oldest_unfinished']} waits for "
                              f"{p['waits_for']}")

    def goes_on(self, bridge, what, seconds=10):
        """Claims that a fault, which ends now, is soon followed by finished
        records."""
        def finished():
            return bridge.metrics().total("records_finished_total")
        before, begin = finished(), time.monotonic()
        went_on = wait_for(lambda: finished() > before, seconds)
        self.expect(went_on, f"finishes records {time.monotonic() - begin:.1f}"
                    f" s after {what}")

    def commits_were_seen(self, looks):
        """Claims that no commit passed an unfinished record in any look of
        the tool's `commits`, and that they had commits to look at."""
        bad = sum(look.unfinished for look in looks)
        self.expect(bad == 0, f"{bad} unfinished records before the "
                    "committed offset")
        some = [look.before for look in looks if look.before]
        self.expect(some, f"{len(some)} of {len(looks)} looks saw commits, "
                    f"the largest of {max(some, default=0)} records")

    def arrived(self, counts, doubled=0):
        """Claims that every record arrived, at most so many of them again."""
        self.expect(counts.lost == 0, f"lost {counts.lost} of "
                    f"{counts.records} records")
        self.expect(counts.doubled <= doubled, f"doubled {counts.doubled}, "
                    f"allowed {doubled}")
        self.expect(counts.foreign == counts.different == 0,
                    f"foreign {counts.foreign}, different {counts.different}")
        self.expect(counts.disorder == 0, f"out of order {counts.disorder}")

    def end(self, failed):
        for bridge in self.bridges:
            bridge.signal(signal.SIGCONT)
            bridge.kill()
        for process in list(self.started):
            process.kill()
            process.wait()
        if failed:
            for bridge in self.bridges:
                print(f"# end of the log of {bridge.name}:")
                for line in bridge.log.splitlines()[-25:]:
                    print(f"#   {line}")
        kept = os.environ.get("KABRIDGE_TEST_KEEP")
        if kept:
            self._keep(Path(kept) / self.folder.name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, folder):
        """What a test leaves behind if the environment has
        KABRIDGE_TEST_KEEP=DIR: the bridges' logs and the broker's."""
        shutil.copytree(self.folder, folder)
        if not self.broker.external:
            shutil.copy(self.broker.folder / "server.log", folder)
        self.note(f"logs of {self.label} are kept in {folder}")


class Background:
    """A function on a thread of its own; `stop` ends it and gives what it
    returned or raises what it raised."""

    def __init__(self, function, *words):
        self.asked = threading.Event()
        self.result = self.error = None
        self.thread = threading.Thread(target=self._run,
                                       args=(function, words))
        self.thread.start()

    def _run(self, function, words):
        try:
            self.result = function(self.asked, *words)
        except BaseException as error:  # handed to stop()
            self.error = error

    def stop(self):
        self.asked.set()
        self.thread.join()
        if self.error:
            raise self.error
        return self.result


class Stand:
    """Runs tests one after the other on a broker that it starts; another
    kind of broker takes its place where a test wants one."""

    def __init__(self):
        self.kind = self.broker = None

    def close(self):
        if self.broker:
            self.broker.__exit__(None, None, None)
        self.kind = self.broker = None

    def _provide(self, kind):
        if self.kind is not kind:
            self.close()
            self.broker = kind().__enter__()
            self.kind = kind
        return self.broker

    def run(self, chosen):
        """The counts of claims kept and broken."""
        print(f"# {chosen.name}: {chosen.sentence}", flush=True)
        begin = time.monotonic()
        broker = self._provide(chosen.broker)
        kit = Kit(broker, chosen.name)
        try:
            broker.start()
            chosen.run(kit)
        except Exception as error:
            kit.expect(False, f"{type(error).__name__}: {error}")
        finally:
            if not broker.external:
                broker.resume()
            kit.end(kit.failures > 0)
        print(f"# {chosen.name}: {time.monotonic() - begin:.1f} s",
              flush=True)
        return kit.claims - kit.failures, kit.failures


def run_in_turn(tests):
    stand = Stand()
    counts = [0, 0]
    try:
        for chosen in tests:
            for at, n in enumerate(stand.run(chosen)):
                counts[at] += n
    finally:
        stand.close()
    return counts


DONE = "#done"


def serve():
    """A worker of run_side_by_side(): runs each test that standard input
    names, and ends what it prints with DONE and the counts."""
    stand = Stand()
    try:
        for name in sys.stdin:
            print(DONE, *stand.run(TESTS[name.strip()]), flush=True)
    finally:
        stand.close()
    return 0


def run_side_by_side(tests, jobs):
    """The same with several workers, each with a broker of its own. What a
    test prints is shown whole when the test has ended."""
    waiting, lock = list(tests), threading.Lock()
    counts, workers = [0, 0], []

    def take():
        with lock:
            return waiting.pop(0) if waiting else None

    def run_one(worker, chosen):
        worker.stdin.write(chosen.name + "\n")
        worker.stdin.flush()
        lines = []
        for line in worker.stdout:
            if line.startswith(DONE):
                return "".join(lines), map(int, line.split()[1:])
            lines.append(line)
        return ("".join(lines) + f"not ok - {chosen.name}: the worker ended "
                f"with {worker.wait()}\n"), (0, 1)

    def work():
        worker = None
        while chosen := take():
            if worker is None or worker.poll() is not None:
                worker = subprocess.Popen(
                    [sys.executable, sys.argv[0], "--serve"], text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                workers.append(worker)
            text, some = run_one(worker, chosen)
            with lock:
                print(text, end="", flush=True)
                for at, n in enumerate(some):
                    counts[at] += n
        if worker:
            worker.stdin.close()
            worker.stdout.read()
            worker.wait()

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:  # a signal ended the wait
        waiting.clear()
        for worker in workers:
            worker.terminate()
    return counts


def main(words):
    """What run.py says of its words."""
    if words == ["--list"]:
        for chosen in TESTS.values():
            print(f"{chosen.suite:8} {chosen.name:36} {chosen.sentence}")
        return 0
    if words == ["--serve"]:
        return serve()
    jobs = 1
    if words[:1] == ["--jobs"]:
        jobs, words = int(words[1]), words[2:]
    if words[:1] == ["--newer"]:
        os.environ["LD_LIBRARY_PATH"] = str(newer_library())
        words = words[1:]
    known = {*TESTS, *(chosen.suite for chosen in TESTS.values())}
    unknown = [word for word in words if word not in known]
    if unknown:
        print(f"found {unknown}; wanted one of {sorted(known)}",
              file=sys.stderr)
        return 64
    tests = [chosen for chosen in TESTS.values()
             if not words or {chosen.name, chosen.suite} & set(words)]
    beside = [chosen for chosen in tests if jobs > 1 and not chosen.alone]
    alone = [chosen for chosen in tests if chosen not in beside]
    kept, broken = map(sum, zip(run_side_by_side(beside, jobs),
                                run_in_turn(alone)))
    print(f"{kept} passed, {broken} failed")
    return 1 if broken else 0
