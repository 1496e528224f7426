#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every metric, and every value of a label, that the dashboard, the alerts, the
# autoscalers and the documents name is one that a bridge exports.
set -eu
packaging=$top_srcdir/packaging
files="$packaging/grafana/kabridge.json
    $packaging/prometheus/kabridge.rules.yaml
    $packaging/kubernetes/hpa.yaml $packaging/kubernetes/keda.yaml
    $top_srcdir/doc/deploy.md $top_srcdir/doc/guarantees.md
    $top_srcdir/doc/size.md $top_srcdir/doc/troubleshooting.md"
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"$top_builddir/plugin/ops/list-metrics" >"$table"
status=0
complain() {
    echo "$1"
    status=1
}

# The row of a metric; a histogram has series of three further names.
row() {
    grep -F "| \`$1\` |" "$table" && return
    case $1 in
    *_bucket | *_sum | *_count) grep -F "| \`${1%_*}\` | histogram |" "$table" ;;
    *) return 1 ;;
    esac
}

# What the adapter makes of a metric is not one.
named=$(grep -oh 'kabridge_[a-z_]*' $files | sort -u | grep -vx kabridge_lag)
for name in $named; do
    row "$name" >/dev/null || complain "$name: named, but not exported"
done
[ "$(echo "$named" | wc -l)" -ge 20 ] || complain "found few metrics: $named"

# NAME{LABEL="VALUE|VALUE" of the alerts, whose values are words.
for use in $(grep -ohE 'kabridge_[a-z_]+\{[a-z]+(=|!=|=~|!~)"[a-z_|]+"' \
    "$packaging/prometheus/kabridge.rules.yaml" "$top_srcdir"/doc/*.md); do
    name=${use%%\{*} label=$(echo "$use" | sed 's/^[^{]*{\([a-z]*\).*/\1/')
    values=$(echo "$use" | sed 's/^[^"]*"\(.*\)"$/\1/' | tr '|' ' ')
    for value in $values; do
        row "$name" | grep -qE "\`$label\`: ([a-z_]+, )*$value(,| \|)" ||
            complain "$name: no $label is \"$value\""
    done
done
exit $status
