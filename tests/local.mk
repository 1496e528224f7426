# SPDX-License-Identifier: Apache-2.0
# Checks of the tree itself.
TREE_CHECKS = \
	tests/check-exports.sh \
	tests/check-headers.sh \
	tests/check-layers.sh
TESTS += $(TREE_CHECKS)
dist_check_SCRIPTS += $(TREE_CHECKS)
