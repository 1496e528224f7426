#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Are the generated parts of doc/ those of the tables, does the manual page of
# the command name all that it takes, does HACKING.md name every suite, is each
# test that a promise names there, and does each link lead to a file? With
# --write, writes the generated parts.
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

top=${top_srcdir:-.}
for suite in $("$top/script/test" --list | sed 's/ .*//'); do
    grep -q "^|.*\`$suite\`" "$top/HACKING.md" && continue
    echo "HACKING.md does not say what the suite $suite shows"
    status=1
done

for test in $(grep -oh '`[a-z0-9]*\(_[a-z0-9]*\)\{2,\}`' "$top/README.md" \
    "$top/ARCHITECTURE.md" | tr -d '`' | grep -v '^kab_' | sort -u); do
    grep -rqw "$test" "$top/tests" && continue
    echo "a promise names the test $test, which is not there"
    status=1
done

for page in "$top"/*.md "$top"/doc/*.md "$top"/examples/*.md; do
    for link in $(grep -o '](\([^):#]*\))' "$page" | tr -d ']()'); do
        [ -e "$(dirname "$page")/$link" ] && continue
        echo "$page: the link to $link leads nowhere"
        status=1
    done
done
exit $status
