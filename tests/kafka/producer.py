#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The producer and its transactions against a real broker, which is stopped
and continued underneath them.

    tests/kafka/producer.py [NAME]      all of prove-producer's tests, or
                                        those whose name fits the pattern

Uses the build in $top_builddir, or build/.
"""
import os
import subprocess
import sys
from pathlib import Path

from broker import Broker

TOP = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("top_builddir") or TOP / "build").resolve()


def main(words):
    with Broker() as broker:
        names = {"KAB_TEST": words[0]} if words else {}
        environment = os.environ | names | {
            "KAB_BOOTSTRAP": broker.address, "KAB_BROKER_PID": str(broker.pid)}
        return subprocess.run([BUILD / "prove-producer"],
                              env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
