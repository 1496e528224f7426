#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Verbs, their words, their options: status 64 and the nearest that is known.
. "$top_srcdir/tests/cli/expect.sh"

expect 64
expect 0 --help
is_silent
verbs=$(sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p' out)
for verb in $verbs; do
    expect 0 "$verb" --help
    is_silent
    prints "Usage:"
    prints "kabridge $verb"
    expect 64 "$verb" --no-such-option
done
[ "$(echo $verbs | wc -w)" -ge 6 ]

expect 64 verson
says 'kabridge: found "verson"; wanted a verb, perhaps "version"; kabridge --help lists them'
expect 64 frobnicate
says 'kabridge: found "frobnicate"; wanted a verb; kabridge --help lists them'
expect 64 check
says 'kabridge: found 0 words; wanted CONFIG'
expect 64 check a b
expect 64 version more
expect 64 check --conect a
says 'kabridge: Unknown option --conect; kabridge check --help lists the options'

expect 0 version
is_silent
prints "kabridge "
prints "librdkafka "
expect 0 --version
prints "kabridge "

expect 64 options --format html
says 'kabridge: found format "html"; wanted one of text, markdown, man'
for format in text markdown man; do
    expect 0 options --format $format
    is_silent
    prints batch.count
    prints bootstrap.servers
done
