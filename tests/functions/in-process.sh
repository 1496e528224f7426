#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples in C++, Rust and with XGBoost: built as a user would, run by
# `kabridge try`; and what a batch is worth to a model in the process.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
kabridge=$top_builddir/kabridge
cp -R "$top_srcdir/examples" "$root/examples"
chmod -R u+w "$root/examples"
cd "$root/examples"
fail() { echo "$1" >&2; tail -n 20 "$root/out" "$root/err" >&2; exit 1; }

build() {
    env -u MAKEFLAGS -u MAKELEVEL make -s "$@" \
        KABRIDGE_CFLAGS="-I$top_srcdir/include -I$top_builddir/include" \
        KABRIDGE_LIBS= CFLAGS="-O2 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter" \
        >"$root/out" 2>"$root/err" || fail "$* does not build"
}

try() {
    wanted=$1
    shift
    status=0
    timeout 60 "$kabridge" try "$@" >"$root/out" 2>"$root/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "try $*: status $status, not $wanted"
}
prints() { cmp -s - "$root/out" || fail "$1"; }
says() { grep -q "$1" "$root/err" || fail "does not say: $1"; }

# An exception costs the record that raised it, and nothing else.
build square.so
printf '2\nnone\n3\n' | try 65 square.conf
printf '4.000000\n9.000000\n' | prints "squares beside an exception"
says ":2: permanent after .* stod"

if command -v rustc >/dev/null; then
    build reverse.so
    printf 'abc\n\303\244b\n\377\n' | try 65 reverse.conf
    printf 'cba\nb\303\244\n' | prints "texts turned around"
    says ":3: rejected .* not UTF-8"
fi

build xgboost.so train
./train model.json
printf '0.9,0.1\n[0.1, 0.9]\n1\n' | try 65 xgboost.conf
awk 'NR == 1 { high = $1 } NR == 2 { low = $1 }
     END { exit !(NR == 2 && high > 0.9 && low < 0.1) }' "$root/out" ||
    fail "the scores"
says ":3: rejected .* wanted as many numbers"

# Processor time a record: that of the model, without what `try` itself costs.
awk 'BEGIN { for (i = 0; i < 40000; i++)
    printf "%.3f,%.3f\n", (i % 97) / 97, (i % 89) / 89 }' >rows
cost() {
    bash -c 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1' - "$kabridge" try \
        xgboost.conf --set "binding xgboost/batch.count=$1" \
        --set "binding xgboost/batch.period=never" \
        --set "binding xgboost/threads=1" rows 2>&1 |
        awk '{ print ($1 + $2) * 1e6 / 40000 }'
}
sed 's/^function = .*/function = identity/; /^function\.model/d' xgboost.conf >identity.conf
base() {
    bash -c 'TIMEFORMAT="%U %S"; time "$@" >/dev/null 2>&1' - "$kabridge" try \
        identity.conf --set "binding xgboost/batch.count=$1" \
        --set "binding xgboost/batch.period=never" rows 2>&1 |
        awk '{ print ($1 + $2) * 1e6 / 40000 }'
}
one=$(cost 1) many=$(cost 256) base_one=$(base 1) base_many=$(base 256)
echo "XGBoost: $one us of processor a record in batches of 1, $many in" \
    "batches of 256; without the model $base_one and $base_many"
awk -v o="$one" -v m="$many" -v bo="$base_one" -v bm="$base_many" 'BEGIN {
    ratio = (o - bo) / (m - bm)
    printf "the model alone: %.1f times less in batches of 256\n", ratio
    exit !(ratio >= 15) }' || fail "a batch of 256 is worth too little"
