# SPDX-License-Identifier: Apache-2.0
"""A model server that goes away for much longer than all retries take."""
import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from broker import free_port
from harness import test, wait_for

RECORDS = 10000


class Echo(BaseHTTPRequestHandler):
    """Arrays in and out."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(port):
    """In a process of its own: so that it can be killed."""
    return subprocess.Popen([sys.executable, __file__, str(port)])


@test("a model server that is away makes no dead letter", "failure")
def a_model_server_that_is_away_fails_no_record(kit):
    """Five tries with these back-offs are over in two seconds."""
    source, sink, dead = kit.topic(), kit.topic(), kit.topic(1)
    kit.tool("generate", topic=source, records=RECORDS)
    port = free_port()
    server = serve(port)
    bridge = kit.bridge(source, sink, dead_letter_topic=dead, order="key",
                        function="http", function_item="{value:string}",
                        function_url=f"http://127.0.0.1:{port}/",
                        batch_count=20, retry_max_attempts=5,
                        retry_backoff="50ms", retry_backoff_max="500ms")

    def finished():
        return bridge.metrics().total("records_finished_total")
    try:
        bridge.start()
        kit.expect(wait_for(lambda: finished() > 1000, 30), "it goes")
        server.kill()
        server.wait()
        time.sleep(15)  # the fault itself
        kit.expect(finished() < RECORDS, "it was away in the middle")
        answer = bridge.get("/ready")
        kit.expect(answer and answer[0] == 503 and str(port) in answer[1],
                   f"not ready, and the server is named: {answer}")
        server = serve(port)
        kit.caught_up(bridge, source)
        kit.expect(wait_for(lambda: (bridge.get("/ready") or (0,))[0] == 200,
                            10), "ready again")
        kit.expect(bridge.stop() == 0, "leaves with 0")
    finally:
        server.kill()
        server.wait()
    # Results are JSON strings, each a record as it was.
    came = sorted(json.loads(bytes.fromhex(record["value"]))
                  for record in kit.dump(sink))
    sent = sorted(bytes.fromhex(record["value"]).decode()
                  for record in kit.dump(source))
    kit.expect(came == sent, f"all arrived once: {len(came)} of {len(sent)}")
    letters = kit.dump(dead)
    kit.expect(not letters, f"{len(letters)} dead letters")


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
