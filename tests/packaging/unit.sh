#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The systemd unit is right, and what systemd-analyze calls its exposure is
# below 2 of 10.
set -eu
command -v systemd-analyze >/dev/null || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The command is not installed yet; the manual pages are not either.
sed -e 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' -e '/^Documentation=/d' \
    "$top_builddir/packaging/kabridge.service" >"$scratch/kabridge.service"
systemd-analyze verify --man=no "$scratch/kabridge.service" 2>"$scratch/said" ||
    { cat "$scratch/said"; exit 1; }
if grep 'kabridge\.service' "$scratch/said"; then
    exit 1
fi
systemd-analyze security --offline=true --threshold=20 --no-pager \
    "$scratch/kabridge.service" >"$scratch/found" || {
    grep -v '✓' "$scratch/found"
    exit 1
}
tail -n 1 "$scratch/found"
