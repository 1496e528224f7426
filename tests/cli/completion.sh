#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Completion of bash and, where it is there, zsh: verbs, options and keys, as the command itself says them.
. "$top_srcdir/tests/cli/expect.sh"
command -v bash >/dev/null || exit 77

printf '[binding one]\n[binding two]\n' >bridge.conf
# completes WANTED WORD… : among the replies for the last word is WANTED.
completes() {
    command="completion of $*"
    status=0
    wanted=$1
    shift
    bash -c '
        . "$top_srcdir/plugin/cli/completion/kabridge"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _kabridge
        printf "%s\n" "${COMPREPLY[@]}"' bash "$kabridge" "$@" >out 2>err
    grep -qxF -- "$wanted" out || fail "wanted among the replies: $wanted"
}

completes version ver
completes functions ''
completes --connect check --
completes markdown options --format m
completes bridge.conf check bri
completes "'binding two/batch.count=" check bridge.conf --set 'binding two/batch'
completes "'binding NAME/order=" check --set ''
completes "'log/level=" check bridge.conf --set log
completes replay dlq re
completes --find-batch try --f
completes json dlq list bridge.conf --format j

# zsh's own helpers are replaced by ones that print what they are offered.
command -v zsh >/dev/null || exit 0
offers() {
    command="zsh completion of $*"
    status=0
    wanted=$1
    shift
    zsh -fc '
        compadd() { for n; do [[ $n == -a ]] && print -l -- "${found[@]}"; done; print -l -- "$@" }
        _describe() { print -l -- "${(P@)2}" }
        _files() { print -l -- * }
        words=("$@")
        CURRENT=$#
        . "$top_srcdir/plugin/cli/completion/_kabridge"
        ' zsh "$kabridge" "$@" >out 2>err || status=$?
    grep -qxF -- "$wanted" out || fail "wanted among the offers: $wanted"
}
offers 'version:versions of kabridge and of librdkafka' ver
grep -q '^ready:' out || fail "wanted every verb"
offers replay dlq re
offers man options --format m
offers table tap --format t
offers bridge.conf check bri
offers 'binding two/batch.count=' check bridge.conf --set b
offers 'log/level=' check bridge.conf --set l
offers '--print:print the effective values and where each is from' check --
