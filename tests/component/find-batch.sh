#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `kabridge try --find-batch`: it recommends the batch size that is known to be
# the best, draws the curve, and names what fails. No Kafka anywhere.
set -eu
root=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$root"' EXIT
kabridge=$top_builddir/kabridge
fail() { echo "$1" >&2; cat "$root/out" "$root/err" >&2; exit 1; }

try() {
    wanted=$1
    shift
    status=0
    "$kabridge" try "$root/conf" --find-batch "$@" \
        >"$root/out" 2>"$root/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "try $*: status $status, not $wanted"
}

# Of sizes that are powers of two, 64 records are the most within 120 ms: they
# take 92 ms, 128 take 124 ms; 32 have 60 % of the throughput. The times leave
# room for a busy machine.
URL=http://127.0.0.1:1/
export URL
cat >"$root/conf" <<END
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding slow]
input.topics = in
output.topic = out
function = delay
function.base = 60ms
function.per.record = 500us
max.in.flight = 2
latency.target = 240ms
[binding marks]
input.topics = in
output.topic = out
function = chaos
batch.count = 8
[binding small]
input.topics = in
output.topic = out
function = delay
function.base = 5ms
batch.count = 4
max.in.flight = 1
buffer.bytes = 2MiB
[binding model]
input.topics = in
output.topic = out
function = http
function.url = \${URL}
max.in.flight = 2
[binding stuck]
input.topics = in
output.topic = out
function = chaos
function.hold.time = 1h
call.timeout = 300ms
END
seq 1 50 >"$root/lines"


# Prints one member of the last line, the recommendation.
advised() {
    tail -n 1 "$root/out" | python3 -c "
import json, sys
print(json.load(sys.stdin)['recommended']['$1'])"
}

try 0 --binding slow --seconds 8 --json /dev/stdin <<'END'
{"key":"a","value":1}
{"key":"b","value":2}
END
[ "$(advised batch.count)" = 64 ] ||
    fail "the recommended batch.count is not the known optimum"
[ "$(advised max.in.flight)" = 2 ] ||
    fail "the recommended max.in.flight is not the known optimum"
advised batch.count.reason | grep -q 'batches of 128 take .*more than 120 ms' ||
    fail "no reason is given for batch.count"
advised max.in.flight.reason | grep -q 'the ceiling, from max.in.flight' ||
    fail "no reason is given for max.in.flight"
grep -q '"adaptive":{"records":' "$root/out" ||
    fail "nothing is said about batching = adaptive"

# Without a terminal: the curve in ASCII, no colour, no progress.
try 0 --binding small --seconds 1 "$root/lines"
grep -q '^        [124] .*#####' "$root/out" || fail "no curve is drawn"
grep -q '^batch.count = ' "$root/out" || fail "no option to paste into the file"
! LC_ALL=C grep -q '[^ -~]' "$root/out" ||
    fail "the output without a terminal is not plain ASCII"
[ ! -s "$root/err" ] || fail "progress is shown without a terminal"

# A line that the function rejects, or fails on, is named.
line() { printf '%012d:%06d:%010d:%s:\n' "$1" "$1" 0 "$2"; }
{ line 1 .; line 2 R; line 3 .; } >"$root/marks"
try 65 --binding marks --seconds 1 "$root/marks"
grep -q "^kabridge: $root/marks:2: rejected: " "$root/err" ||
    fail "line 2 is not named as rejected"
{ line 1 .; line 2 .; line 3 P; } >"$root/marks"
try 65 --binding marks --seconds 1 "$root/marks"
grep -q "^kabridge: $root/marks:3: failed: " "$root/err" ||
    fail "line 3 is not named as failed"
{ line 1 .; line 2 F; } >"$root/marks"
try 69 --binding marks --seconds 1 "$root/marks"

# A model server that takes 32 records and says so with a status that may as
# well mean a bad record: the limit is found, and no record is blamed.
cat >"$root/server.py" <<'END'
import http.server, json, time

class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        n = len(json.loads(body))
        time.sleep(0.02 + 0.0003 * n)
        self.send_response(200 if n <= 32 else 400)
        body = body if n <= 32 else b'{"error":"at most 32"}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
print(server.server_port, flush=True)
server.serve_forever()
END
python3 "$root/server.py" >"$root/port" 2>/dev/null &
server=$!
until [ -s "$root/port" ]; do sleep 0.05; done
URL=http://127.0.0.1:$(cat "$root/port")/
export URL
seq 1 3000 | sed 's/.*/{"value":&}/' >"$root/numbers"
try 0 --binding model --seconds 4 --json "$root/numbers"
kill "$server"
server=
[ "$(advised batch.count)" = 32 ] ||
    fail "the recommended batch.count is not the server's limit"
advised batch.count.reason | grep -q 'batches of 64 are refused: .*at most 32' ||
    fail "the server's refusal is not given as the reason"

# A call that is never answered, and words that are wrong.
line 1 H >"$root/marks"
try 69 --binding stuck --seconds 1 "$root/marks"
grep -q 'no answer within call.timeout, and the call does not end' "$root/err" ||
    fail "the time-out is not named"
try 65 --binding small /dev/null
grep -q 'found no line' "$root/err" || fail "an empty file is not named"
try 64 --binding small --seconds 0 "$root/lines"
