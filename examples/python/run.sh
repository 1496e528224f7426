#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the records through the Python function, without Kafka.
set -eu
cd "$(dirname "$0")"
"${KABRIDGE:-kabridge}" try --json score.conf records.json
