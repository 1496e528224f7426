# SPDX-License-Identifier: Apache-2.0
"""A bridge as a test runs it: `kabridge run`, and what it says of itself on its
admin server."""
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from broker import free_port

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("top_builddir") or TOP / "build").resolve()


class Metrics(dict):
    """Samples of one scrape, by name and labels as they were written."""

    def total(self, name, **labels):
        """The sum over all samples of that name with those labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for sample, value in self.items()
                   if sample.split("{")[0] == f"kabridge_{name}"
                   and all(word in sample for word in wanted))


class Bridge:
    """One `kabridge run` with its configuration, log and admin port."""

    def __init__(self, kit, name, binding, bridge=None, instance=None,
                 admin=True, environment=None):
        self.kit = kit
        self.name = name
        self.binding = binding
        self.group = binding.get("group", "kabridge-b")
        self.admin = free_port() if admin else None
        self.sections = {
            "kafka": {"bootstrap.servers": kit.broker.address},
            "binding b": binding,
            "log": {"level": "info"},
            "bridge": {"instance": instance or name, **(bridge or {})},
        }
        if admin:
            self.sections["admin"] = {"listen": f"127.0.0.1:{self.admin}"}
        self.environment = {**os.environ, **(environment or {})}
        self.log_path = kit.folder / f"{name}.log"
        self.config_path = kit.folder / f"{name}.conf"
        self.process = None
        self.write_config()

    def write_config(self):
        text = ""
        for section, options in self.sections.items():
            text += f"[{section}]\n"
            text += "".join(f"{k} = {v}\n" for k, v in options.items())
        self.config_path.write_text(text)

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "kabridge", "run", self.config_path],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment)
        self.started = time.time()
        return self

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        if self.alive:
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def wait(self, seconds=60):
        """Its exit status; None if it does not end in time."""
        if self.process is None:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, seconds=40):
        """Its exit status; stopped_in_s says how long it took."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        status = self.wait(seconds)
        self.stopped_in_s = time.monotonic() - begin
        return status

    def get(self, path):
        """Status and body of a request to the admin server; None if it does
        not answer."""
        url = f"http://127.0.0.1:{self.admin}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return None

    def metrics(self):
        answer = self.get("/metrics")
        metrics = Metrics()
        for line in (answer[1] if answer else "").splitlines():
            if line.startswith("kabridge_"):
                sample, value = line.rsplit(" ", 1)
                metrics[sample] = float(value)
        return metrics

    def status(self):
        answer = self.get("/status")
        return json.loads(answer[1]) if answer and answer[0] == 200 else None

    def partitions(self):
        """How many partitions it owns, by its own word."""
        status = self.status()
        return sum(len(b["partitions"])
                   for b in (status or {}).get("bindings", ()))

    def rss_bytes(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def cpu_seconds(self):
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
