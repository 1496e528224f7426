#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The words of `dlq` and `skip`, and what they say without a broker.
. "$top_srcdir/tests/cli/expect.sh"

cat >conf <<END
[kafka]
bootstrap.servers = 127.0.0.1:1
[binding b]
input.topics = in, ^orders-
function = identity
output.topic = out
dead.letter.topic = letters
END

for verb in list replay; do
    for limit in 0 -1; do
        expect 64 dlq $verb conf --limit $limit
        says "kabridge: --limit: found $limit; wanted a number from 1"
    done
done
expect 64 dlq list conf --dry-run
says 'kabridge: --dry-run: found it with list, which changes nothing; wanted it with replay'

expect 64 dlq list conf --format yaml
says 'kabridge: found format "yaml"; wanted one of table, json'

expect 64 skip conf --binding b --topic in --partition 0
says 'kabridge: found no --offset; wanted the record that is to be skipped'
expect 64 skip conf --binding b --topic in --partition 0 --offset -1
says 'kabridge: --offset: found -1; wanted a number from 0'
expect 64 skip conf --binding b --topic in --partition -2 --offset 0
says 'kabridge: --partition: found -2; wanted a number from 0'
expect 64 skip conf --binding b --topic out --partition 0 --offset 0
says 'kabridge: --topic: found "out"; wanted an input of binding b: in, ^orders-'

# One line that says why, and none of the client's own.
is_one_line() {
    grep -q '^kabridge: no broker of 127.0.0.1:1 answers: .*Connection refused' \
        err || fail "wanted who does not answer, and why"
    [ "$(wc -l <err)" = "$1" ] || fail "wanted no other line"
}
expect 69 dlq list conf
is_one_line 1
expect 69 skip conf --binding b --topic orders-1 --partition 0 --offset 0
is_one_line 1
# It has said what every group will see.
expect 69 dlq replay conf
is_one_line 2
