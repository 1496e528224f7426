#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Workers that die and hang, behind the whole engine but without Kafka: one
# record is to blame, its neighbours are done.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export PYTHONDONTWRITEBYTECODE=1
cd "$root"
fail() { echo "$1" >&2; cat "$root/err" >&2; exit 1; }

cat >score.py <<'END'
import os
import signal
import sys
import time

from kabridge import run


def score(records):
    for record in records:
        if record.value == b"poison":
            print("this one is poison", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if record.value == b"loud":
            print("this one is loud", file=sys.stderr, flush=True)
        if record.value == b"quiet":
            os.kill(os.getpid(), signal.SIGSEGV)
        if record.value == b"slow":
            time.sleep(3600)
    return [record.value for record in records]


run(score)
END
cat >conf <<'END'
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding b]
input.topics = in
output.topic = out
function = worker
function.command = python3 score.py
batch.count = 16
retry.backoff = 5ms
END

# What "try" with these further words does, over `lines`.
try() {
    wanted=$1
    shift
    status=0
    "$top_builddir/kabridge" try conf "$@" lines >out 2>err || status=$?
    [ "$status" = "$wanted" ] || fail "found status $status; wanted $wanted"
}

{ seq 1 20; echo poison; seq 22 100; } >lines
try 65
grep -v poison lines | cmp - out || fail "a neighbour is missing"
grep -q 'lines:21: crash after .* was killed by signal 11 (Segmentation fault); its standard error ends: this one is poison' err ||
    fail "the poison record does not say how its worker died"
# Two of the whole, one of each half of 16, two alone; one may be ahead.
ends=$(grep -c 'was killed by signal 11 (Segmentation fault)$' err) || true
[ "$ends" -le 9 ] || fail "found $ends workers that died; wanted 9 at most"

printf '%s\n' loud quiet >lines
try 65 --set 'binding b/batch.count=1' --set 'binding b/max.in.flight=1' \
    --set 'binding b/retry.max.attempts=1'
grep -q 'lines:2: crash after .* (Segmentation fault)$' err ||
    fail "a crash is blamed on the words of another batch"

{ seq 1 5; echo slow; seq 7 20; } >lines
try 65 --set 'binding b/call.timeout=2s' --set 'binding b/batch.count=1' \
    --set 'binding b/retry.max.attempts=2' --set 'binding b/function.workers=2'
grep -v slow lines | cmp - out || fail "a neighbour is missing"
grep -q 'lines:6: timeout after ' err || fail "no time-out is told"

try 69 --set 'binding b/function.command=/does/not/exist'
grep -q 'found the command /does/not/exist, which cannot be run' err ||
    fail "the missing command is not told"
