#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a database and joins the records with it, without Kafka.
set -eu
cd "$(dirname "$0")"
export DATABASE="$(mktemp)"
trap 'rm -f "$DATABASE"' EXIT
python3 -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())' "$DATABASE" <customers.sql
"${KABRIDGE:-kabridge}" try --json lookup.conf records.json
