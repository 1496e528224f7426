#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kabridge ready: 69 and the reasons while a bridge is not ready, or when none
# is there. What it does when one is ready: tests/component/test-command.c.
. "$top_srcdir/tests/cli/expect.sh"

cat >conf <<END
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding first]
input.topics = in
function = identity
output.topic = out
[binding second]
input.topics = in2
function = identity
output.topic = out
[admin]
listen = 127.0.0.1:0
END
: >log
"$kabridge" run conf 2>>log &
bridge=$!
trap 'kill -KILL $bridge; wait $bridge || rm -rf "$scratch"' EXIT
url=
until [ -n "$url" ]; do
    kill -0 $bridge || { cat log; exit 1; }
    sleep 0.1
    url=$(sed -n 's/^.* status at \(http:.*\)$/\1/p' log)
done

# What the client says of the cause may follow.
names_both() {
    for binding in first second; do
        grep -q "^kabridge: not ready: binding $binding: no broker has answered" \
            err || fail "wanted a line for binding $binding with the reason"
    done
}
expect 69 ready "$url"
names_both
[ ! -s out ] || fail "wanted nothing on standard output"
expect 69 ready "${url#http://}/"
names_both

expect 69 ready 127.0.0.1:1
grep -q '^kabridge: no answer from http://127.0.0.1:1/ready: .*refused$' err ||
    fail "wanted the address and the reason"

expect 64 ready "$url" more
says 'kabridge: found 2 words; wanted [URL]'
