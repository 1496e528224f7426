# SPDX-License-Identifier: Apache-2.0
"""Adaptive batches against a model that works on one call at a time, and
becomes three times slower."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import test, wait_for

TARGET_S = 0.2


class Model:
    """A model server: json-array in and out, one call at a time, base and a
    price for each record."""

    def __init__(self, base_s, record_s):
        self.base_s, self.record_s = base_s, record_s
        self.turn = threading.Lock()
        self.sizes = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                model.work(len(json.loads(body)))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def work(self, n):
        with self.turn:
            self.sizes.append(n)
            time.sleep(self.base_s + self.record_s * n)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def rate(bridge, seconds):
    before = bridge.metrics().total("records_finished_total")
    time.sleep(seconds)
    return (bridge.metrics().total("records_finished_total") - before) / \
        seconds


def decision(bridge):
    """Nothing is decided before the first partition is assigned."""
    status = bridge.status()
    return status and status["bindings"][0]["adaptive"] or {"phase": None}


def limits(bridge):
    """The gauges: records in a batch, and calls in flight, at most."""
    metrics = bridge.metrics()
    return (metrics.total("adaptive_batch_limit"),
            metrics.total("adaptive_in_flight_limit"))


@test("adaptive batches find their size, and follow a slower model",
      "adaptive")
def batches_follow_the_model(kit):
    model = Model(0.008, 0.001)
    source, sink = kit.topic(), kit.topic()
    kit.tool("generate", topic=source, records=300000, spread=True)
    bridge = kit.bridge(source, sink, function="http",
                        function_url=model.url, batching="adaptive",
                        function_item="{value:string}",
                        latency_target="200ms").start()
    try:
        kit.expect(wait_for(lambda: decision(bridge)["phase"] == "steady", 60),
                   f"is steady: {decision(bridge)}")
        got = rate(bridge, 15)
        # a batch that takes the whole target: the most that it allows
        best = 0.192 / 0.001 / TARGET_S
        kit.expect(got >= 0.9 * best, f"{got:.0f} records/s of at most "
                   f"{best:.0f} with calls of {TARGET_S} s")
        large = max(model.sizes[-20:])
        records, calls = limits(bridge)
        kit.expect(1 < records <= 4096 and 1 <= calls <= 64 and
                   records * calls >= large / 2,
                   f"metrics show the limits: {records} records, {calls} "
                   f"calls, and batches of {large}")
        model.record_s *= 3
        kit.expect(wait_for(
            lambda: max(model.sizes[-5:]) < large / 2, 30),
            f"batches of {large} became {model.sizes[-5:]}")
        kit.expect(wait_for(lambda: limits(bridge)[0] < records / 1.5 or
                            limits(bridge)[1] < calls, 30),
                   f"metrics show that the limits follow: {limits(bridge)}")
        said = decision(bridge)
        kit.expect(said["violations"] > 0, f"says why: {said['reason']}")
    finally:
        status = bridge.stop()
        model.stop()
    kit.expect(status == 0, f"leaves with {status}")
