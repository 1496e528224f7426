# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-admin
TESTS += test-admin
test_admin_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_admin_SOURCES = $(EXPOSITION) tests/component/test-admin.c
test_admin_LDADD = $(OPS_UNIT_LIBS)
