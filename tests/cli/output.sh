#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What cannot be printed is said, with status 69; a reader that has left is
# no fault.
. "$top_srcdir/tests/cli/expect.sh"

[ -c /dev/full ] || exit 77
cat >conf <<END
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding b]
input.topics = in
output.topic = out
function = identity
END
seq 100000 >lines

# A file that cannot grow, whether the words fit the buffer or not.
full() {
    command="kabridge $* >/dev/full"
    status=0
    : >out
    "$kabridge" "$@" >/dev/full 2>err </dev/null || status=$?
    [ "$status" = 69 ] || fail "wanted status 69"
    grep -q '^kabridge: cannot write to standard output: ' err ||
        fail "wanted a line that says so"
}
full --help
full version --help
full options
full functions
full new made
full check conf --print
full try conf lines
full version
grep -q '^kabridge: cannot write to standard output: No space left' err ||
    fail "wanted the reason"

# An error keeps its status.
status=0
printf 'a\n' | "$kabridge" check conf --set 'binding b/batch.count=0' \
    >/dev/full 2>err || status=$?
command=check
[ "$status" = 78 ] || fail "wanted status 78"

command="kabridge options | head -1"
"$kabridge" options 2>err | head -1 >out
is_silent
command="kabridge options to a pipe without a reader, SIGPIPE ignored"
mkfifo pipe
: <pipe &
exec 3>pipe
wait $!
status=0
(trap '' PIPE && exec "$kabridge" options >&3 2>err) || status=$?
[ "$status" = 0 ] || fail "wanted status 0"
is_silent
