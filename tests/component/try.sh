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
[binding away]
input.topics = in
output.topic = out
function = http
function.url = http://127.0.0.1:1/
END

seq 1 3000 >"$root/lines"
try 0 "$root/conf" --binding same "$root/lines"
cmp "$root/lines" "$root/out" ||
    fail "the outputs are not the input lines, in their order"
grep -q '^3000 lines in 429 batches: 3000 done' "$root/err" ||
    fail "no summary on standard error"

printf 'a\n\nlast' | try 0 "$root/conf" --binding same -
printf 'a\n\nlast\n' | cmp - "$root/out" ||
    fail "an empty line or a last line without a newline changed"

try 65 "$root/conf" --binding same "$root"
grep -q "^kabridge: cannot read $root to its end" "$root/err" ||
    fail "a directory was taken for an empty file"

try 0 "$root/conf" --binding same /dev/null
[ ! -s "$root/out" ] || fail "an empty input has outputs"

# The mark is what chaos does with a line: rejected, poison, dropped, as is.
line() { printf '%012d:%06d:%010d:%s:\n' "$1" "$1" 0 "$2"; }
{ line 1 .; line 2 R; line 3 .; line 4 P; line 5 D; line 6 .; } >"$root/lines"
try 65 "$root/conf" --binding marks "$root/lines"
{ line 1 .; line 3 .; line 6 .; } | cmp - "$root/out" ||
    fail "the outputs are not those of the good lines"
grep -q "^$root/lines:2: rejected after " "$root/err" ||
    fail "line 2 is not named as rejected"
grep -q "^$root/lines:4: permanent after" "$root/err" ||
    fail "line 4 is not named as failed"
grep -q '3 done, 1 without output, 2 failed' "$root/err" ||
    fail "no summary on standard error"

# No batch succeeds: a fault of the function, which a trial shows, and does not
# wait for the end of an outage.
{ line 1 P; line 2 P; line 3 P; line 4 P; } >"$root/lines"
try 65 "$root/conf" --binding marks --set "binding marks/batch.count=2" \
    "$root/lines"
grep -q '0 done, 0 without output, 4 failed' "$root/err" ||
    fail "a function that always fails has another summary"

# A reason is one line, and nothing that a terminal obeys.
line 1 I | try 65 "$root/conf" --binding marks -
grep -q 'stage decode: chaos: not\\x0areadable$' "$root/err" ||
    fail "a reason with a line break is not one line"

# The same as JSON: an object a line, drops in their place.
json() { line "$1" "$2" | sed 's/.*/{"key":"k","value":"&"}/'; }
{
    json 1 .; json 2 R; echo '{"walue":1}'; json 4 D; json 5 .
    printf '\357\273\277{"value":"marked"}\n'
} >"$root/lines"
try 65 "$root/conf" --binding marks --json "$root/lines"
said() { grep -v '"reject"' "$root/out"; }
{
    echo "{\"line\":1,\"outcome\":\"value\",\"key\":\"k\",\"value\":\"$(line 1 .)\"}"
    echo '{"line":4,"outcome":"drop"}'
    echo "{\"line\":5,\"outcome\":\"value\",\"key\":\"k\",\"value\":\"$(line 5 .)\"}"
} >"$root/wanted"
said | cmp - "$root/wanted" ||
    fail "values and the drop are not JSON objects in order"
grep -q '^{"line":2,"outcome":"reject","class":"rejected",' "$root/out" ||
    fail "the rejected record is not a JSON object"
grep -q '"line":3,.*"stage":"decode".*found walue; wanted key, value' \
    "$root/out" || fail "a line that is no record is not named"
grep -q '"line":6,.*found a UTF-8 byte order mark before the JSON; wanted a' \
    "$root/out" || fail "a byte order mark is not named"
grep -qE '^batches of [0-9.]+ records, at most [1-4]; calls of .* ms, at most' \
    "$root/err" || fail "batch sizes and call times are not printed"

# Bytes of every kind come out as they went in.
cat >"$root/lines" <<'END'
{"key":null,"value":{"a": [1.10, "}"],"b":"\\\""}}
{"key":"k","value":"text\\n"}
{"key":7,"value":null}
{"key":"k","value_base64":"AP8="}
END
try 0 "$root/conf" --binding same --json "$root/lines"
sed 's/^{"line":[0-9]*,"outcome":"value",/{/; s/"key":"7"/"key":7/' "$root/out" |
    cmp - "$root/lines" || fail "bytes did not come out as they went in"

# The call never returns.
line 1 H | try 65 "$root/conf" --binding stuck
grep -q 'did not answer within call.timeout' "$root/err" ||
    fail "the time-out is not named"

# A server that is away is waited for, and named.
: >"$root/err"
line 1 . | "$kabridge" try "$root/conf" --binding away 2>"$root/err" &
waits=$!
until grep -q 'no outcome for .*127\.0\.0\.1:1:' "$root/err"; do
    kill -0 $waits || fail "try left, or does not say which server is away"
    sleep 0.1
done
kill $waits
wait $waits || :

line 1 F | try 69 "$root/conf" --binding marks
try 65 "$root/conf" --binding same "$root/none"
try 64 "$root/conf"
grep -q 'wanted one of same, marks' "$root/err" ||
    fail "the bindings to choose from are not named"
try 64 "$root/conf" --binding same --seconds 5 "$root/lines"
grep -q 'found --seconds without --find-batch; wanted both' "$root/err" ||
    fail "a time that nothing uses is not named"
