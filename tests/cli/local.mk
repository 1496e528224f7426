# SPDX-License-Identifier: Apache-2.0
# The command as a user types it: exit statuses and every word it says.
CLI_TESTS = \
	tests/cli/check.sh \
	tests/cli/completion.sh \
	tests/cli/functions.sh \
	tests/cli/new.sh \
	tests/cli/output.sh \
	tests/cli/ready.sh \
	tests/cli/repair.sh \
	tests/cli/usage.sh
TESTS += $(CLI_TESTS)
dist_check_SCRIPTS += $(CLI_TESTS)
EXTRA_DIST += tests/cli/expect.sh
