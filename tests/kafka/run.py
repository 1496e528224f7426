#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the `kabridge` command against a real broker.

    tests/kafka/run.py [--jobs N] [--newer] [NAME or SUITE]...
    tests/kafka/run.py --list

All tests, or those that are named; N side by side, each on a broker of its
own; --newer: on a current librdkafka instead of the distribution's.

Uses the build in $top_builddir, or build/.
"""
import signal
import sys

import harness
import delivery  # noqa: F401  each registers its tests
import faults  # noqa: F401
import failure  # noqa: F401
import groups  # noqa: F401
import reach  # noqa: F401
import servers  # noqa: F401
import repair  # noqa: F401
import access  # noqa: F401
import adaptive  # noqa: F401
import chaos  # noqa: F401
import producer  # noqa: F401
import worker  # noqa: F401
import wire  # noqa: F401

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(harness.main(sys.argv[1:]))
