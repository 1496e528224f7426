#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone, in C and in C++; what authors of
# functions include does so without GLib, and the macro works in both.
set -eu
cc=${CC:-cc}
cxx=${CXX:-c++}
flags="-fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Werror -I$top_srcdir/include -I$top_builddir/include"
glib=$(pkg-config --cflags glib-2.0)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for header in function.h version.h error.h bridge.h kabridge.h; do
    printf '#include <kabridge/%s>\nextern int x;\n' $header >"$scratch/alone.c"
    with=
    case $header in function.h | version.h) ;; *) with=$glib ;; esac
    for standard in gnu99 c11 c17; do
        $cc -std=$standard $flags $with "$scratch/alone.c"
    done
done
ls "$top_srcdir"/include/kabridge | grep -vE '^(function|version|error|bridge|kabridge)\.h(\.in)?$' &&
    { echo "a public header that this test does not know"; exit 1; }

cat >"$scratch/define.c" <<'END'
#include <kabridge/function.h>
static void
process(void *instance, KabBatch *batch)
{
    KabOutput output = KAB_OUTPUT_INIT;
    (void)instance;
    kab_batch_emit(batch, 0, &output);
    kab_batch_complete(batch);
}
KAB_FUNCTION_DEFINE(.name = "x", .process = process);
END
$cc -std=c11 $flags -Wno-missing-field-initializers "$scratch/define.c"

# The error of the one function that may go without.
cat >"$scratch/embed.c" <<'END'
#include <kabridge/kabridge.h>
bool set(KabBridge *bridge, const KabFunction *function, GError **error);
bool
set(KabBridge *bridge, const KabFunction *function, GError **error)
{
    return kab_bridge_set_function(bridge, "a", function) &&
           kab_bridge_set_function(bridge, "b", function, error);
}
END
$cc -std=c11 $flags $glib "$scratch/embed.c"

command -v "$cxx" >/dev/null || { echo "no C++ compiler"; exit 77; }
for header in function.h version.h error.h bridge.h kabridge.h; do
    echo "#include <kabridge/$header>" >"$scratch/alone.cc"
    $cxx -std=c++11 $flags $glib "$scratch/alone.cc"
done
cp "$scratch/embed.c" "$scratch/embed.cc"
$cxx -std=c++11 $flags $glib "$scratch/embed.cc"
cp "$scratch/define.c" "$scratch/define.cc"
$cxx -std=c++20 $flags -Wno-missing-field-initializers "$scratch/define.cc"
