#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Starts the server and runs the records through it, without Kafka. With words
# of your own it starts another one: ./run.sh node server.js
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- python3 server.py
folder=$(mktemp -d)
export SCORE_SOCKET="$folder/socket"
"$@" "$SCORE_SOCKET" &
trap 'kill $!; rm -r "$folder"' EXIT
until [ -S "$SCORE_SOCKET" ]; do kill -0 $! && sleep 0.05; done
"${KABRIDGE:-kabridge}" try --json envelope.conf records.json
