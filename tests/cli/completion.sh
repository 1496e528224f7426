#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bash completion: verbs, options and keys, as the command itself says them.
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
