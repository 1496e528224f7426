#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The library exports what the public headers declare, and nothing else of
# ours; the command exports what modules need of it.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

declared() {
    grep -ohE '\bkab_[a-z_]+ ?\(' "$@" | tr -d ' (' | sort -u
}
exported() {
    nm -D --defined-only "$1" | awk '$3 ~ /^kab_/ { print $3 }' | sort
}
same() {
    cmp -s "$scratch/declared" "$scratch/exported" && return
    echo "$1 (<: declared, not exported; >: the other way round):"
    diff "$scratch/declared" "$scratch/exported" || exit 1
}

declared "$top_srcdir"/include/kabridge/*.h >"$scratch/declared"
exported "$top_builddir/.libs/libkabridge.so" >"$scratch/exported"
same libkabridge

declared "$top_srcdir/include/kabridge/function.h" >"$scratch/declared"
exported "$top_builddir/kabridge" | grep -xF -f "$scratch/declared" >"$scratch/exported"
same kabridge
