# SPDX-License-Identifier: Apache-2.0
PACKAGING_TESTS = \
	tests/packaging/configurations.sh \
	tests/packaging/documents.sh \
	tests/packaging/metrics.sh \
	tests/packaging/unit.sh
TESTS += $(PACKAGING_TESTS)
dist_check_SCRIPTS += $(PACKAGING_TESTS)
# These need root and Debian's archive: script/test packages runs them.
EXTRA_DIST += tests/packaging/debian.py tests/packaging/kubernetes.py
