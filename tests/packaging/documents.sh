#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every option that the documents for operators name exists, and every file of
# the tree that they name.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$top_srcdir/doc"
pages="coming-from.md deploy.md guarantees.md security.md size.md
    troubleshooting.md upgrade.md"

# Names of Kafka and its client, with dots as ours.
cat >"$scratch/known" <<'END'
bootstrap.servers
consumer.group.instance.id
fetch.message.max.bytes
max.message.bytes
offset.metadata.max.bytes
producer.acks
producer.max.in.flight.requests.per.connection
security.protocol
session.timeout.ms
ssl.ca.location
ssl.endpoint.identification.algorithm
END
"$top_builddir/kabridge" options |
    sed -n 's/^  *\([a-z][a-z0-9.]*\.[a-z0-9.]*\)$/\1/p' >>"$scratch/known"
[ "$(wc -l <"$scratch/known")" -ge 50 ]

# `some.option` or `some.option = value`. Of a comparison only the right-hand
# column is ours; function.* are the functions' own.
for page in $pages; do
    case $page in
    coming-from.md) awk -F'|' '/^\|/ { print $3 }' $page ;;
    *) cat $page ;;
    esac
done | grep -oE '`[a-z]+(\.[a-z0-9]+)+( = [a-z0-9-]+)?`' |
    sed -e 's/`//g' -e 's/ = .*//' -e '/^function\./d' -e '/\.txt$/d' | sort -u >"$scratch/named"
[ "$(wc -l <"$scratch/named")" -ge 30 ]
status=0
sort -u "$scratch/known" | comm -13 - "$scratch/named" >"$scratch/wrong"
for name in $(cat "$scratch/wrong"); do
    echo "$name: named in doc/, but no option"
    status=1
done

# `packaging/…`, `docker/…`, `tests/…`, `script/…`, and links to other pages.
{
    grep -ohE '`(packaging|docker|tests|script)/[a-z0-9/._-]+`' $pages |
        sed -e 's/`//g' -e 's|^|../|'
    grep -ohE '\]\([^):]+\)' $pages | sed 's/^](\(.*\))$/\1/'
} | sort -u >"$scratch/files"
[ "$(wc -l <"$scratch/files")" -ge 12 ]
for file in $(cat "$scratch/files"); do
    [ -e "$file" ] || { echo "doc/: names $file, which is not there"; status=1; }
done
exit $status
