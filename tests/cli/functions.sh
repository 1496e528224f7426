#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kabridge functions: goes on after broken modules and names them.
. "$top_srcdir/tests/cli/expect.sh"

expect 0 functions
is_silent
prints 'identity: passes every record on as it is'
prints 'function.per.record: time 0..1m; default: 0'

expect 0 functions --path "$top_builddir/tests/support/modules/.libs"
prints 'identity: passes every record on as it is'
prints 'fitting: takes every record and gives nothing'
prints 'function.url: text; required'
prints 'function.token: text; secret'
says "kabridge: found $top_builddir/tests/support/modules/.libs/wrong-major.so, built for function ABI 2.0; wanted ABI 1.0 or an older minor: build it against this kabridge"
[ "$(grep -c '^kabridge: found .*; wanted ' err)" = 8 ] || fail "wanted 8 broken"
