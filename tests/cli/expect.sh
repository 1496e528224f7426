# SPDX-License-Identifier: Apache-2.0
# For the tests of the command: run it, judge its status and what it says.
#     expect STATUS WORD…      runs kabridge in a directory of its own
#     says TEXT, prints TEXT   a line of its standard error, its output
#     is_silent                nothing on standard error
set -eu
kabridge=$top_builddir/kabridge
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

fail() {
    echo "FAILED: $command"
    echo "$1"
    echo "--- status $status, standard error:"
    cat err
    echo "--- standard output:"
    cat out
    exit 1
}

expect() {
    wanted=$1
    shift
    command="kabridge $*"
    status=0
    "$kabridge" "$@" >out 2>err </dev/null || status=$?
    [ "$status" = "$wanted" ] || fail "wanted status $wanted"
}

says() {
    grep -qxF -- "$1" err || fail "wanted on standard error: $1"
}

prints() {
    grep -qF -- "$1" out || fail "wanted on standard output: $1"
}

is_silent() {
    [ ! -s err ] || fail "wanted nothing on standard error"
}
