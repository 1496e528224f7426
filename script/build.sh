# SPDX-License-Identifier: Apache-2.0
# Sourced at the top of the tree: builds kabridge in build/, quietly unless it
# fails.
build() {
    [ -x configure ] && [ ! configure.ac -nt configure ] || autoreconf -fi
    mkdir -p build
    cd build
    [ -f Makefile ] || ../configure --quiet
    make -s -j"$(nproc)"
}
[ -x build/kabridge ] || echo "building in build/ (about a minute)" >&2
log=$(mktemp)
if ! (set -e && build) >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    echo "the build failed" >&2
    exit 1
fi
rm -f "$log"
