#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first thing a new user sees: every record arrives once, all is
# committed, nothing is left on standard error or in the temporary directory.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/tmp"
TMPDIR=$root/tmp "$top_builddir/kabridge" demo --records 400 --rate 0 \
    >"$root/out" 2>"$root/err" || { cat "$root/out" "$root/err"; exit 1; }
cat "$root/out"
grep -q '400 of 400 records arrived, each once; 400 committed' "$root/out"
test ! -s "$root/err" || { cat "$root/err"; exit 1; }
test -z "$(ls "$root/tmp")"
