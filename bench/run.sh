#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures kabridge against the bare loop on a real Kafka, and prints the
# table; see bench/run.py --help for its words.
set -eu
cd "$(dirname "$0")/.."
script/bootstrap build kafka
. script/build.sh
exec python3 bench/run.py "$@"
