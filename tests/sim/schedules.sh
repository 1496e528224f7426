#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A few seconds of the simulator. SCHEDULES=n runs more.
exec ./kab-sim --schedules "${SCHEDULES:-4000}" --threads 2 --shrink
