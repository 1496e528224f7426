#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `kabridge try`: outputs in the order of the lines, failed lines by name,
# and no Kafka anywhere.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
kabridge=$top_builddir/kabridge
fail() { echo "$1" >&2; cat "$root/err" >&2; exit 1; }

# What "try WORDS..." prints and says, and its status.
try() {
    wanted=$1
    shift
    status=0
    "$kabridge" try "$@" >"$root/out" 2>"$root/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "try $*: status $status, not $wanted"
}

cat >"$root/conf" <<END
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding same]
input.topics = in
output.topic = out
function = identity
batch.count = 7
batch.period = never
[binding marks]
input.topics = in
output.topic = out
function = chaos
batch.count = 4
retry.backoff = 1ms
[binding stuck]
input.topics = in
output.topic = out
function = chaos
function.hold.time = 1h
call.timeout = 50ms
retry.max.attempts = 1
END

seq 1 3000 >"$root/lines"
try 0 "$root/conf" --binding same "$root/lines"
cmp "$root/lines" "$root/out" || fail "the outputs are not the lines"
grep -q '^3000 lines in 429 batches: 3000 done' "$root/err" || fail "no sum"

printf 'a\n\nlast' | try 0 "$root/conf" --binding same -
printf 'a\n\nlast\n' | cmp - "$root/out" || fail "an empty or a last line"

try 0 "$root/conf" --binding same /dev/null
[ ! -s "$root/out" ] || fail "outputs of nothing"

# The mark is what chaos does with a line: rejected, poison, dropped, as is.
line() { printf '%012d:%06d:%010d:%s:\n' "$1" "$1" 0 "$2"; }
{ line 1 .; line 2 R; line 3 .; line 4 P; line 5 D; line 6 .; } >"$root/lines"
try 65 "$root/conf" --binding marks "$root/lines"
{ line 1 .; line 3 .; line 6 .; } | cmp - "$root/out" || fail "the good ones"
grep -q "^$root/lines:2: rejected after " "$root/err" || fail "line 2"
grep -q "^$root/lines:4: permanent after" "$root/err" || fail "line 4"
grep -q '3 done, 1 without output, 2 failed' "$root/err" || fail "no sum"

# The call never returns.
line 1 H | try 65 "$root/conf" --binding stuck
grep -q 'did not answer within call.timeout' "$root/err" || fail "a time-out"

line 1 F | try 69 "$root/conf" --binding marks
try 65 "$root/conf" --binding same "$root/none"
try 64 "$root/conf"
grep -q 'wanted one of same, marks' "$root/err" || fail "the bindings' names"
