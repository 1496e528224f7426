#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the function "http" is told: sockets, certificates, tokens, wrong options.
set -eu
[ -e "$top_builddir/http.la" ] || { echo "libcurl is not there: http is not built"; exit 77; }
exec python3 "$top_srcdir/tests/component/http-options.py"
