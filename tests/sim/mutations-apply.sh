#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each mutation still applies to the engine and compiles: whoever changes a line
# or a name that one uses learns it here, not from the long run of mutate.sh.
command -v perl >/dev/null || exit 77
exec "${srcdir:-.}/tests/sim/mutate.sh" --applies
