#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "http" and servers that fail, restart and sign.
set -eu
[ -e "$top_builddir/http.la" ] || { echo "libcurl is not there: http is not built"; exit 77; }
exec python3 "$top_srcdir/tests/component/http-faults.py"
