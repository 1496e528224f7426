#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kabridge new: its project builds and passes its own test.
. "$top_srcdir/tests/cli/expect.sh"

expect 0 new my-function
is_silent
prints 'made my-function; next: cd my-function && make test'
# In the build tree kabridge is not installed.
(
    cd my-function
    PKG_CONFIG_PATH=$top_builddir MAKEFLAGS= make test KABRIDGE="$kabridge" \
        CFLAGS="-Wall -Wextra -Werror" >../make.log 2>&1
) || { cat make.log; exit 1; }
expect 0 check my-function/my-function.conf \
    --set "binding my-function/function=./my-function/my-function.so"

expect 64 new my-function
says 'kabridge: found that name here already; wanted a new one'
expect 64 new ../outside
expect 64 new other --language python
expect 64 new other --language cobol
says 'kabridge: found language "cobol"; wanted one of c, python'
[ ! -e other ]
