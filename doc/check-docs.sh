#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Are the generated parts of doc/ those of the tables, and does the manual
# page of the command name all that it takes? With --write, writes the former.
set -eu
source=${top_srcdir:-.}/doc
kabridge=${top_builddir:-.}/kabridge
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

"$kabridge" options --format man >"$scratch/man"
awk -v generated="$scratch/man" '
    /^\.\\" END/ { inside = 0 }
    !inside { print }
    /^\.\\" BEGIN/ {
        inside = 1
        while ((getline line < generated) > 0) print line
    }' "$source/kabridge.conf.5" >"$scratch/kabridge.conf.5"
{
    echo '<!-- SPDX-License-Identifier: Apache-2.0 -->'
    echo '<!-- Written by make doc-options from the table of options. -->'
    echo '# Options of the configuration file'
    echo
    "$kabridge" options --format markdown
} >"$scratch/options.md"

for file in kabridge.conf.5 options.md; do
    if [ "${1:-}" = --write ]; then
        cp "$scratch/$file" "$source/$file"
    elif ! cmp -s "$scratch/$file" "$source/$file"; then
        echo "doc/$file is not what the table of options says: make doc-options"
        status=1
    fi
done

# troff writes a minus as \-.
page=$(sed 's/\\-/-/g' "$source/kabridge.1")
named() {
    case $page in *"$1"*) return 0 ;; esac
    echo "doc/kabridge.1 does not name $1"
    status=1
}
for verb in $("$kabridge" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'); do
    echo "$page" | grep -qE "^\.BI? \"?$verb( |$)" || named "the verb $verb"
    for option in $("$kabridge" "$verb" --help |
        sed -n 's/^.*\(--[a-z][a-z-]*\)[= ].*$/\1/p' | grep -vx -- --help); do
        named "$option"
    done
done
exit $status
