#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Python package: its own tests, its version, and that it needs nothing
# but the standard library.
set -eu
fail() { echo "$1" >&2; exit 1; }
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="$top_srcdir/python:$top_srcdir/python/tests"

version=$(cat "$top_srcdir/VERSION")
python3 -c "import kabridge, sys; sys.exit(kabridge.__version__ != '$version')" ||
    fail "the package's version is not $version"

# -S: without what is installed beside the standard library.
python3 -S -m unittest discover -s "$top_srcdir/python/tests" ||
    fail "the package's tests fail"
