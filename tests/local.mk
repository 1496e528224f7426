# SPDX-License-Identifier: Apache-2.0
# Checks of the tree itself.
TREE_CHECKS = \
	tests/check-clocks.sh \
	tests/check-exports.sh \
	tests/check-headers.sh \
	tests/check-layers.sh tests/check-floors.sh
TESTS += $(TREE_CHECKS)
dist_check_SCRIPTS += $(TREE_CHECKS)

# The page in a browser; tests/page/run.py runs it.
EXTRA_DIST += \
	tests/page/admin.py \
	tests/page/chromium.py \
	tests/page/run.py \
	tests/page/shots.py
