# SPDX-License-Identifier: Apache-2.0
"""An admin server with answers made by hand: the page as built, and numbers
that move as those of a bridge do, so that what is drawn is known."""
import http.server
import json
import math
import threading
import time

TRIGGERS = ("count", "bytes", "period", "idle", "drain", "retry")
RESULTS = ("ok", "transient", "timeout")


class Binding:
    def __init__(self, name, rate, partitions=3, reason=None):
        self.name = name
        self.rate = rate
        self.n = partitions
        self.reason = reason
        self.obstacle = "none"
        self.stall = None
        self.last_error = None
        self.silent = None
        self.is_adaptive = False

    def rate_at(self, seconds):
        return self.rate * (1 + 0.25 * math.sin(seconds / 7))

    def total(self, seconds):
        """The integral of the rate: a counter that fits its slope."""
        return int(self.rate * (seconds + 0.25 * 7 *
                                (1 - math.cos(seconds / 7))))

    def status(self, seconds):
        total, partitions = self.total(seconds), []
        for i in range(self.n):
            position = 1000 + total // self.n
            lag = 4000 if self.stall and i == 0 else int(
                60 + 40 * math.sin(seconds / 5 + i))
            is_held = self.stall and i == 0
            partitions.append({
                "topic": "payments", "partition": i, "state": "owned",
                "position": position, "committed": position - lag // 2,
                "end": position + lag // 2, "lag": lag,
                "finished_beyond": 12 * i,
                "oldest_unfinished": position - lag // 2,
                "oldest_unfinished_seconds": 61.5 if is_held else 0.021,
                "waits_for": "the function's answer"})
        adaptive = self.adaptive(seconds) if self.is_adaptive else None
        return {"name": self.name, "adaptive": adaptive, "state": "running", "reason": self.reason,
                "obstacle": self.obstacle, "since_seconds": 75.2,
                "stall": self.stall, "function_silent_seconds": self.silent,
                "partitions": partitions, "batch_limit":
                adaptive["batch_limit"] if adaptive else 256,
                "calls_in_flight": 3, "calls_in_flight_limit": 4,
                "buffer_records": 900, "buffer_bytes": 5 << 20,
                "last_error": self.last_error}

    def adaptive(self, seconds):
        """A decision each second and a half, as of a service that is kept
        close to its budget."""
        epoch = int(seconds / 1.5)
        is_too_long = epoch % 4 == 0
        return {"phase": "steady", "epoch": epoch, "violations": epoch // 4,
                "budget_seconds": 0.1, "records_per_second": 4180.5,
                "reason": "a call took longer than the budget: fewer records"
                if is_too_long else
                "calls within the budget and batches full: more records",
                "batch_limit": 154 + 7 * (epoch % 4)}

    def histogram(self, family, count, mean):
        """Half below the mean, nearly all below four times of it."""
        for power in range(7, 27):
            bound = 2 ** power / 1e6
            share = 1 - math.exp(-bound / mean * math.log(2))
            yield (f'{family}_bucket{{binding="{self.name}",le="{bound:.6f}"}}'
                   f" {int(count * share)}")
        yield f'{family}_bucket{{binding="{self.name}",le="+Inf"}} {count}'
        yield f'{family}_sum{{binding="{self.name}"}} {count * mean:.6f}'
        yield f'{family}_count{{binding="{self.name}"}} {count}'

    def metrics(self, seconds):
        total, label = self.total(seconds), f'binding="{self.name}"'
        batches = total // 200

        def line(family, value, more=""):
            return f"kabridge_{family}{{{label}{more}}} {value}"
        yield line("records_consumed_total", total)
        yield line("records_finished_total", total - 100, ',outcome="done"')
        yield line("records_retried_total", total // 500)
        yield line("dead_letters_total", total // 20000, ',class="permanent"')
        for i, trigger in enumerate(TRIGGERS):
            shares = (60, 0, 30, 8, 0, 2)
            yield line("batches_total", batches * shares[i] // 100,
                       f',trigger="{trigger}"')
        for result in RESULTS:
            n = batches if result == "ok" else batches // 50
            yield line("calls_total", n, f',result="{result}"')
        yield line("batch_records_sum", total)
        yield line("batch_records_count", batches)
        yield line("oldest_unfinished_seconds", 61.5 if self.stall else 0.021)
        yield from self.histogram("kabridge_record_seconds", total, 0.03)
        yield from self.histogram("kabridge_call_seconds", batches, 0.012)


class Admin:
    """Serves on a free port of loopback, until closed. `speed` makes the
    counters of a second those of so many."""

    def __init__(self, page, bindings):
        self.page = page
        self.bindings = bindings
        self.is_silent = False
        self.n_requests = 0
        self.began = time.monotonic()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.n_requests += 1
                outer.answer(self)

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = "http://127.0.0.1:%d/" % self.server.server_address[1]

    def body(self, path):
        seconds = time.monotonic() - self.began + 60
        if path == "/":
            return "text/html; charset=utf-8", self.page
        if path == "/status":
            return "application/json", json.dumps({
                "version": "1.0.0", "instance": "host-1", "bindings":
                [b.status(seconds) for b in self.bindings]})
        if path == "/metrics":
            return "text/plain", "".join(
                line + "\n" for b in self.bindings
                for line in b.metrics(seconds))
        return None, None

    def answer(self, request):
        kind, text = self.body(request.path)
        if self.is_silent or kind is None:
            request.send_error(503 if self.is_silent else 404)
            return
        data = text.encode()
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
