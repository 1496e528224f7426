#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target over its corpus.
set -eu
for corpus in "$top_srcdir"/tests/fuzz/corpus-*; do
    "$top_builddir/fuzz-${corpus##*/corpus-}" "$corpus"
done
