# SPDX-License-Identifier: Apache-2.0
# Needs root, and minutes: script/test docker runs it.
EXTRA_DIST += \
	tests/docker/base.py \
	tests/docker/kafka/Dockerfile \
	tests/docker/kafka/run \
	tests/docker/machine.py \
	tests/docker/python/Dockerfile \
	tests/docker/run.py
