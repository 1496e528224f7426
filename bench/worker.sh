#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a Python worker reaches, beside a bare echo in Python over the same
# kind of socket: bench/worker.sh [SECONDS a row]
set -eu
cd "$(dirname "$0")/.."
script/bootstrap build
. script/build.sh
export PYTHONPATH=$PWD/python PYTHONDONTWRITEBYTECODE=1
exec build/worker-cost "python3 bench/worker-echo.py" \
    "exec python3 bench/worker-bare.py" "${1:-3}"
