#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts the server and runs the records through it, without Kafka.
set -eu
cd "$(dirname "$0")"
port=$(mktemp)
python3 server.py >"$port" &
trap 'kill $!; rm -f "$port"' EXIT
until [ -s "$port" ]; do kill -0 $! && sleep 0.05; done
export PORT="$(cat "$port")"
"${KABRIDGE:-kabridge}" try --json embeddings.conf records.json
