#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The configurations that stand in the image, the compose set-up and the
# manifests are right.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What the environment of the containers gives.
export KAFKA_BOOTSTRAP_SERVERS=kafka:9092 HOSTNAME=kabridge-0
export MODEL_URL=http://model:8000
export KABRIDGE_INPUT_TOPICS=in KABRIDGE_OUTPUT_TOPIC=out

cp "$top_srcdir/docker/kabridge.conf" "$top_srcdir/docker/bridge.conf" "$scratch"
for manifest in kabridge exactly-once; do
    # The block of the ConfigMap, without its four blanks.
    awk '/^  kabridge.conf: \|$/ { inside = 1; next }
         inside && /^[^ ]/ { exit }
         inside { print substr($0, 5) }' \
        "$top_srcdir/packaging/kubernetes/$manifest.yaml" \
        >"$scratch/manifest-$manifest.conf"
done
for file in "$scratch"/*.conf; do
    "$top_builddir/kabridge" check "$file"
    grep -q '^\[binding ' "$file"
done

# An environment can do without what has a default, not without topics.
unset KABRIDGE_INPUT_TOPICS KAFKA_BOOTSTRAP_SERVERS
status=0
"$top_builddir/kabridge" check "$scratch/kabridge.conf" 2>"$scratch/said" ||
    status=$?
cat "$scratch/said"
[ "$status" = 78 ]
[ "$(wc -l <"$scratch/said")" = 1 ]
grep -q 'input.topics: found ${KABRIDGE_INPUT_TOPICS}' "$scratch/said"
