# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to over its pipe (--remote-debugging-pipe).

A message is JSON and ends with a NUL byte. One thread, one tab: a command
waits for its answer and keeps the events that come before it.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu",
         "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update",
         "--remote-debugging-pipe")
PATIENCE_S = 60


class Trouble(Exception):
    """What the browser refused, or a condition that did not come."""


def find_browser():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise Trouble("found no browser; wanted one of " + ", ".join(NAMES) +
                  ": script/bootstrap page")


class Chromium:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kabridge-page-")
        to_it, self.write_end = os.pipe()
        self.read_end, from_it = os.pipe()
        # What the shell starts has the pipe's ends as 3 and 4.
        command = ("exec 3<&%d 4>&%d; exec \"$@\"" % (to_it, from_it))
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", find_browser(), *FLAGS,
             "--user-data-dir=" + self.folder, "about:blank"],
            pass_fds=(to_it, from_it), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_it)
        os.close(from_it)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []
        self.attach()

    def attach(self):
        end = time.monotonic() + PATIENCE_S
        while True:
            targets = self.command("Target.getTargets")["targetInfos"]
            pages = [t for t in targets if t["type"] == "page"]
            if pages:
                break
            if time.monotonic() > end:
                raise Trouble("the browser opened no tab")
            time.sleep(0.05)
        self.session = self.command("Target.attachToTarget",
                                    targetId=pages[0]["targetId"],
                                    flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.command(domain + ".enable")

    def read_message(self, end):
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            ready = select.select([self.read_end], [], [], max(left, 0))[0]
            piece = os.read(self.read_end, 1 << 20) if ready else b""
            if not piece:
                raise Trouble("the browser gave no answer")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def command(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_S
        while True:
            answer = self.read_message(end)
            if answer.get("id") == self.number:
                break
            self.events.append(answer)
        if "error" in answer:
            raise Trouble(f"{method}: {answer['error']}")
        return answer["result"]

    def evaluate(self, script):
        result = self.command("Runtime.evaluate", expression=script,
                              returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Trouble(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, script, what):
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(script):
            if time.monotonic() > end:
                raise Trouble("it did not come: " + what)
            time.sleep(0.1)

    def open(self, url, width, height, scheme="light", reduced=False):
        self.events.clear()
        self.command("Emulation.setDeviceMetricsOverride", width=width,
                     height=height, deviceScaleFactor=1, mobile=width < 600)
        features = [{"name": "prefers-color-scheme", "value": scheme},
                    {"name": "prefers-reduced-motion",
                     "value": "reduce" if reduced else "no-preference"}]
        self.command("Emulation.setEmulatedMedia", features=features)
        self.command("Page.navigate", url=url)

    def press(self, key):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36,
                 "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key,
                         code=key, windowsVirtualKeyCode=codes[key],
                         **({"text": "\r"} if key == "Enter" and
                            kind == "keyDown" else {}))

    def point_at(self, x, y):
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def screenshot(self, path, whole=True):
        image = self.command("Page.captureScreenshot", format="png",
                             captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(image["data"]))

    def urls(self):
        """Of every request that was made since the page was opened."""
        self.evaluate("1")
        return [e["params"]["request"]["url"] for e in self.events
                if e.get("method") == "Network.requestWillBeSent"]

    def complaints(self):
        """Of the console, and exceptions that nothing caught."""
        self.evaluate("1")
        found = []
        for event in self.events:
            method, parameters = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"])
            elif (method == "Log.entryAdded" and
                  parameters["entry"]["level"] == "error"):
                found.append(parameters["entry"]["text"])
            elif (method == "Runtime.consoleAPICalled" and
                  parameters["type"] in ("error", "warning")):
                found.append(parameters["args"])
        return found

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.folder, ignore_errors=True)
