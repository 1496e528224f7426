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
# It may name the library without a path, in any prefix.
PKG_CONFIG_PATH=$top_builddir
export PKG_CONFIG_PATH
${CC:-cc} -shared -fPIC -o plain.so my-function/my-function.c \
    $(pkg-config --cflags kabridge) "-L$top_builddir/.libs" -lkabridge ||
    exit 1
expect 0 check my-function/my-function.conf \
    --set "binding my-function/function=./plain.so"

# The Python one needs nothing to be built, and its rejected line is named.
expect 0 new --language python my-python
is_silent
prints 'made my-python; next: cd my-python && make test'
(
    cd my-python
    PYTHONDONTWRITEBYTECODE=1 MAKEFLAGS= make test KABRIDGE="$kabridge" \
        >../make.log 2>&1
) || { cat make.log; exit 1; }
(
    cd my-python
    echo 'no JSON' | "$kabridge" try my-python.conf >../out 2>../err
) && fail "a line that is no payment was taken"
grep -q 'no payment: JSONDecodeError' err || fail "the reason is not told"

# A file beside the script hides the module of that name, from the package too.
for module in $(PYTHONPATH=$top_srcdir/python python3 -c '
import sys, kabridge, json
library = getattr(sys, "stdlib_module_names", ())
print(*(name for name in sys.modules if name in library
        and name[0] != "_" or name == "kabridge"))'); do
    expect 64 new --language python "$module"
    says 'kabridge: found the name of a module of Python, which the project'\''s would hide; wanted another name'
done
expect 0 new json

expect 64 new my-function
says 'kabridge: found a file of that name; wanted a new name'
expect 64 new ../outside
expect 64 new other --language cobol
says 'kabridge: found language "cobol"; wanted one of c, python'
[ ! -e other ]
