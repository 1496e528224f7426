#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which #include or call crosses a border between layers? ARCHITECTURE.md has
# the table; this is the same table for a machine. The include paths of the
# build already keep most of it; this also names what they cannot see. Calls are
# read from the symbols of the built archives.
# usage: check-layers.sh [TREE]
set -eu
tree=${1:-${top_srcdir:-.}}

check() {
    awk '
    function complain(why) {
        sub(/^.*\/(plugin|include)\//, "&", FILENAME)
        printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
        status = 1
    }
    BEGIN {
        # layer: the layers whose headers it may use
        uses["include"] = " include "
        uses["core"] = " include core "
        uses["kafka"] = uses["core"] "kafka "
        uses["runtime"] = uses["kafka"] "runtime "
        uses["functions"] = " functions "
        uses["ops"] = uses["runtime"] "ops "
        uses["cli"] = uses["ops"] "cli "
        # what the core may have besides: containers, no world
        split("glib.h inttypes.h stdbool.h stddef.h stdint.h string.h " \
            "sysexits.h", plain)
        for (i in plain) pure[plain[i]] = 1
        impure = "g_get_(monotonic|real)_time|g_random|g_thread|g_mutex|" \
            "g_main|g_idle|g_timeout|g_file_|g_log|g_print|[^_]printf *\\(|[^_]malloc *\\("
        for (i = 2; i < ARGC; i++) {
            n = split(ARGV[i], part, "/")
            home[part[n]] = home[part[n]] " " layer_of(ARGV[i])
        }
    }
    function layer_of(path,   part, n, i) {
        n = split(path, part, "/")
        for (i = n; i > 1; i--) {
            if (part[i - 1] == "plugin") return part[i]
            if (part[i - 1] == "include") return "include"
        }
        return "?"
    }
    FNR == 1 { layer = layer_of(FILENAME); file = FILENAME }
    layer == "core" && $0 ~ impure && $0 !~ /^ *(\/?\*)/ {
        complain("the core has no clock, thread, chance or I/O")
    }
    !/^#include/ { next }
    {
        angled = /</
        name = $0
        sub(/^#include *[<"]/, "", name); sub(/[>"].*$/, "", name)
    }
    name ~ /^kabridge\// {
        if (layer == "functions" && name != "kabridge/function.h")
            complain("functions use kabridge/function.h only")
        if (layer == "include" && file ~ /function\.h$/)
            complain("function.h uses nothing of ours")
        next
    }
    angled {
        if (layer == "core" && !(name in pure))
            complain("the core may use GLib containers and plain C")
        if (layer == "include" && file ~ /\/(function|version)\.h/ &&
            !(name in pure && name != "glib.h"))
            complain("plain C only")
        if (name ~ /librdkafka/ && layer ~ /^(include|core|functions)$/)
            complain("no librdkafka here")
        if (name ~ /microhttpd/ && layer != "ops" &&
            file !~ /cli\/demo-server\.c$/)
            complain("HTTP is served by plugin/ops and by the server of the demo")
        next
    }
    {
        base = name; sub(/^.*\//, "", base)
        allowed = !(base in home)
        n = split(home[base], homes, " ")
        for (i = 1; i <= n; i++)
            if (index(uses[layer], " " homes[i] " ")) allowed = 1
        if (!allowed)
            complain("of plugin/" homes[1] ", which " layer " may not use")
    }
    END { exit status }' "$@"
}

check $(find "$tree/plugin" "$tree/include" -name '*.[ch]' | sort)

# Another tree is not built.
[ $# = 0 ] || exit 0

# Prints each symbol of ours that an archive of a layer needs from a layer above
# it. Arguments: the layers, the lowest first.
find_calls_up() {
    for layer in "$@"; do
        nm -A ".libs/libkab-$layer.a"
    done | awk '
        {
            split($1, place, ":")
            layer = file = place[1]
            sub(/^.*libkab-/, "", layer)
            sub(/\.a$/, "", layer)
            if (!(layer in height))
                height[layer] = ++n
            file = place[2]
            sub(/^.*la-/, "", file)
            sub(/\.o$/, ".c", file)
        }
        $NF !~ /^kab_/ { next }
        $(NF - 1) == "U" { uses[layer, file, $NF] = 1 }
        $(NF - 1) ~ /^[TDBR]$/ { home[$NF] = layer }
        END {
            for (use in uses) {
                split(use, part, SUBSEP)
                to = home[part[3]]
                if (to == "" || height[to] > height[part[1]])
                    print "plugin/" part[1] "/" part[2] " needs " part[3] \
                        " of " (to == "" ? "no layer" : "plugin/" to)
            }
        }' | sort
}

calls=$(find_calls_up core kafka runtime ops)
if [ -n "$calls" ]; then
    echo "$calls"
    exit 1
fi

# It must find what it is for.
wrong=$(mktemp -d)
trap 'rm -rf "$wrong"' EXIT
mkdir -p "$wrong/plugin/core" "$wrong/plugin/runtime" "$wrong/plugin/functions" "$wrong/include"
echo 'struct x;' >"$wrong/plugin/runtime/loop.h"
for line in '#include <librdkafka/rdkafka.h>' '#include "loop.h"' \
    '#include <time.h>' 'g_get_monotonic_time();'; do
    echo "$line" >"$wrong/plugin/core/wrong.c"
    if check "$wrong/plugin/core/wrong.c" "$wrong/plugin/runtime/loop.h" >/dev/null; then
        echo "not found in the core: $line"
        exit 1
    fi
done
if ! find_calls_up kafka core runtime ops | grep -q '^plugin/kafka/.* of plugin/core$'; then
    echo "a call to a layer above is not found"
    exit 1
fi
