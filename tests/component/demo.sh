#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first thing a new user sees, with a function in C, in Python and behind
# HTTP: every record arrives once, all is committed, nothing is left on
# standard error or in the temporary directory.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/tmp"

demo() {
    TMPDIR=$root/tmp "$top_builddir/kabridge" demo "$@" --records 400 --rate 0 \
        >"$root/out" 2>"$root/err" || { cat "$root/out" "$root/err"; exit 1; }
    cat "$root/out"
    grep -q '400 of 400 records arrived, each once; 400 committed' "$root/out"
    grep -qE '──▶ (un)?happy$' "$root/out"
    test ! -s "$root/err" || { cat "$root/err"; exit 1; }
    test -z "$(ls "$root/tmp")"
}

demo
demo --python
grep -q '^    def mood(records):' "$root/out"
[ -e "$top_builddir/http.la" ] || exit 0
demo --http
grep -q '^The model server got [1-9]' "$root/out"
