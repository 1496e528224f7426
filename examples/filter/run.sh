#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the function and runs the records through it, without Kafka.
set -eu
cd "$(dirname "$0")"
make -s
"${KABRIDGE:-kabridge}" try --json filter.conf records.json
