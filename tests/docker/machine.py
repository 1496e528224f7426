# SPDX-License-Identifier: Apache-2.0
"""A Docker daemon of the tests' own, and the images that they need.

The daemon has its socket and its data in a temporary folder and leaves the
host's firewall alone; no other daemon is touched. No image registry is
needed: debootstrap makes the base of all images from Debian's packages.
Images that do not need each other are built side by side.

If the environment has KABRIDGE_TEST_DOCKER, that folder is used instead of a
temporary one, and what it holds (the base image, cached layers) stays; with
KABRIDGE_TEST_IMAGES=kept the images that it has are not built again.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import base

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(TOP / "tests" / "kafka"))
import broker  # noqa: E402  knows where Kafka's jars are

BASE = "kabridge-test-base"
NEEDED = ("dockerd", "docker", "docker-compose", "debootstrap")


class NoDaemon(Exception):
    """Why no Docker daemon can be had on this machine."""


def find(program):
    """Distribution paths first: the client must fit its daemon."""
    path = "/usr/sbin:/usr/bin:/sbin:/bin:" + os.environ.get("PATH", "")
    return shutil.which(program, path=path)


def say(words):
    print(f"# {words}", flush=True)


class Machine:
    def __init__(self):
        missing = [name for name in NEEDED if not find(name)]
        if missing:
            raise NoDaemon(f"found no {', '.join(missing)}; "
                           "script/bootstrap docker installs them")
        if os.geteuid() != 0:
            raise NoDaemon("a daemon of one's own needs root")
        kept = os.environ.get("KABRIDGE_TEST_DOCKER")
        self.is_kept = bool(kept)
        self.folder = Path(kept or tempfile.mkdtemp(prefix="kabridge-docker."))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = f"unix://{self.folder}/docker.sock"
        self.env = dict(os.environ, DOCKER_HOST=self.socket,
                        DOCKER_BUILDKIT="0", COMPOSE_DOCKER_CLI_BUILD="0",
                        COMPOSE_PROJECT_NAME="kabridgetest",
                        BASE_IMAGE=BASE, KAFKA_IMAGE="kabridge-test-kafka",
                        MODEL_IMAGE="kabridge-test-python",
                        KABRIDGE_IMAGE="kabridge-test",
                        KABRIDGE_TOOL_IMAGE="kabridge-test-tool", RATE="200")
        self.daemon = None

    def __enter__(self):
        # overlay2 needs a file system below that supports it; vfs needs none.
        for driver in "overlay2", "vfs":
            if self._start(driver):
                say(f"Docker daemon with storage driver {driver}")
                return self
        log = (self.folder / "dockerd.log").read_text(errors="replace")
        self._remove()
        raise NoDaemon("dockerd does not start here; it last said:\n"
                       + "\n".join(log.splitlines()[-8:]))

    def __exit__(self, *_):
        self._stop()
        self._remove()

    def _start(self, driver):
        with open(self.folder / "dockerd.log", "ab") as log:
            self.daemon = subprocess.Popen(
                [find("dockerd"), "--host", self.socket,
                 "--data-root", self.folder / "data",
                 "--exec-root", self.folder / "run",
                 "--pidfile", self.folder / "pid", "--bridge", "none",
                 "--iptables=false", "--ip6tables=false",
                 "--storage-driver", driver],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.daemon.poll() is None:
            if self.docker("info", check=False).returncode == 0:
                return True
            time.sleep(0.1)
        self._stop()
        return False

    def _stop(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(60)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()

    def _remove(self):
        if self.is_kept:
            return
        # A daemon leaves its network name space mounted, a killed one more.
        mounts = Path("/proc/mounts").read_text().splitlines()
        for place in [line.split()[1] for line in reversed(mounts)]:
            if place.startswith(f"{self.folder}/"):
                self.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- Commands ---------------------------------------------------------

    def run(self, command, check=True, timeout=600, **more):
        done = subprocess.run(list(map(str, command)), env=self.env,
                              stdin=more.pop("stdin", subprocess.DEVNULL),
                              capture_output=True, text=True, errors="replace",
                              timeout=timeout, **more)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: exit status "
                               f"{done.returncode}\n{done.stdout[-3000:]}"
                               f"\n{done.stderr[-3000:]}")
        return done

    def docker(self, *words, **more):
        return self.run([find("docker"), *words], **more)

    def popen(self, *words):
        return subprocess.Popen([find("docker"), *words], env=self.env,
                                stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE)

    def compose(self, *words, **more):
        return self.run([find("docker-compose"), "-f",
                         TOP / "docker" / "compose.yaml", *words], **more)

    def inspect(self, name, kind="container"):
        return json.loads(self.docker(kind, "inspect", name).stdout)[0]

    def log(self, name):
        done = self.docker("logs", name)
        return done.stdout + done.stderr

    # --- Images -----------------------------------------------------------

    def _make_base(self):
        if self.has_image(BASE):
            return
        self.docker("import", base.fetch(), BASE)

    def has_image(self, tag):
        return self.docker("image", "inspect", tag,
                           check=False).returncode == 0

    def build(self, tag, context, *words):
        keeps = os.environ.get("KABRIDGE_TEST_IMAGES") == "kept"
        if keeps and self.has_image(tag):
            return
        self.docker("build", "--network", "host", "--build-arg",
                    f"BASE={BASE}", "-t", tag, *words, context, timeout=900)

    def _make_kafka(self):
        context = self.folder / "kafka"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(HERE / "kafka", context)
        shutil.copytree(broker.fetch(), context / "jars",
                        ignore=shutil.ignore_patterns("pom.xml"))
        self.build(self.env["KAFKA_IMAGE"], context)

    def _make_python(self):
        self.build(self.env["MODEL_IMAGE"], HERE / "python")

    def _make_kabridge(self):
        dockerfile = ["-f", TOP / "docker" / "Dockerfile", "--build-arg",
                      f"JOBS={os.cpu_count()}"]
        self.build(self.env["KABRIDGE_IMAGE"], TOP, *dockerfile)
        self.build(self.env["KABRIDGE_TOOL_IMAGE"], TOP, "--target", "tool",
                   *dockerfile)

    def make_images(self):
        """All that compose.yaml names, each timed."""
        def timed(name, make):
            begin = time.monotonic()
            make()
            say(f"image {name}: {time.monotonic() - begin:.0f} s")
        timed("base", self._make_base)
        with ThreadPoolExecutor() as pool:
            steps = [pool.submit(timed, name, make) for name, make in (
                ("Kafka", self._make_kafka), ("Python", self._make_python),
                ("kabridge and its tool", self._make_kabridge))]
        for step in steps:
            step.result()
