#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the documents say of workers works as it stands there: the Python of
# doc/write-a-function.md, and the worker in C of doc/worker-protocol.md.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
export PYTHONDONTWRITEBYTECODE=1
kabridge=$top_builddir/kabridge
fail() { echo "$1" >&2; cat "$root/out" "$root/err" >&2; exit 1; }

# The first block of a language in the guide.
block() {
    awk -v language="$1" '
        $0 == "```" language { inside = 1; next }
        inside && $0 == "```" { exit }
        inside' "$top_srcdir/doc/write-a-function.md"
}

block python >"$root/score.py"
block ini >"$root/score.conf"
cd "$root"

status=0
printf '%s\n' '{"amount": 250}' '{"amount": 2000}' 'no JSON' |
    "$kabridge" try score.conf >out 2>err || status=$?
[ "$status" = 65 ] || fail "found status $status; wanted 65 for one rejected"
grep -qF '{"score": 0.25}' out || fail "the score is missing"
grep -qF '{"amount": 2000}' out || fail "the large one is missing"
grep -qF 'no JSON with an amount' err || fail "the reason is missing"

echo '{"amount": 250}' >lines.txt
command=$(sed -n 's/^    \(PYTHONPATH=.* check score.py lines.txt\)$/\1/p' \
    "$top_srcdir/doc/write-a-function.md")
PKG_CONFIG_PATH=$top_builddir sh -c "export PYTHONPATH; $command" >out 2>err ||
    fail "the check without a bridge fails"
grep -qF '{"score": 0.25}' out || fail "the check without a bridge is silent"
grep -qF '1 line: 1 right, 0 not' err || fail "the check does not count"

cp "$top_builddir/worker-c" .
sed 's/^function.command.*/function.command = .\/worker-c/' score.conf >c.conf
seq -f 'line %g of many' 1 5000 >lines
"$kabridge" try c.conf lines >out 2>err || fail "the worker in C fails"
tr '[:lower:]' '[:upper:]' <lines | cmp - out || fail "no capitals"
