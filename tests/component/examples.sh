#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples build out of the tree, against an installed kabridge, with
# what pkg-config says and nothing else; the command takes the module. Each
# folder's run.sh gives what is expected.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "$1" >&2; exit 1; }

make -s -C "$top_builddir" DESTDIR="$root" install-libLTLIBRARIES \
    install-pkgincludeHEADERS install-nodist_pkgincludeHEADERS \
    install-pkgconfigDATA >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
pc=$(find "$root" -name kabridge.pc)
sed "s|^prefix=|prefix=$root|" "$pc" >"$pc.new"
mv "$pc.new" "$pc"
PKG_CONFIG_PATH=${pc%/*}
LD_LIBRARY_PATH=${pc%/pkgconfig/*}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

cp -R "$top_srcdir/examples" "$root/examples"
chmod -R u+w "$root/examples"
cd "$root/examples"
flags="-std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter"
env -u MAKEFLAGS -u MAKELEVEL make -s CFLAGS="$flags ${SAN_FLAGS-}" ||
    fail "the examples do not build"

"$top_builddir/kabridge" check upper.conf || fail "upper.so is not taken"
status=0
./embed /does/not/exist 2>err || status=$?
[ "$status" -ne 0 ] && grep -q /does/not/exist err ||
    fail "embed does not say that its configuration is missing"

# A record that is rejected makes the status 65. Batches may end in any order.
runs_as_expected() {
    status=0
    env -u MAKEFLAGS -u MAKELEVEL "$1/run.sh" >out 2>err || status=$?
    case $status in 0 | 65) ;; *) return 1 ;; esac
    sort out | cmp "$1/expected.txt" -
}
KABRIDGE=$top_builddir/kabridge
CFLAGS=$flags
export KABRIDGE CFLAGS
for script in */run.sh; do
    folder=${script%/run.sh}
    grep -q 'function *= http$' "$folder"/*.conf &&
        [ ! -e "$top_builddir/http.la" ] && continue
    runs_as_expected "$folder" || { cat out err >&2; fail "$script"; }
done
