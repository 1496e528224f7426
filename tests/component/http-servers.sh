#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The function "http" against a model server that answers and lies.
set -eu
[ -e "$top_builddir/http.la" ] || { echo "libcurl is not there: http is not built"; exit 77; }
exec python3 "$top_srcdir/tests/component/http-servers.py"
