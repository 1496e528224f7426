# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-admin
TESTS += test-admin
test_admin_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_admin_SOURCES = $(EXPOSITION) tests/component/test-admin.c
test_admin_LDADD = $(OPS_UNIT_LIBS)

check_PROGRAMS += test-command
TESTS += test-command
test_command_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_command_SOURCES = \
	$(EXPOSITION) \
	plugin/cli/fetch.c \
	plugin/cli/fetch.h \
	tests/component/test-command.c
test_command_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(RDKAFKA_LIBS) $(CMOCKA_LIBS) $(GLIB_LIBS) -lm

dist_check_SCRIPTS += tests/component/demo.sh
TESTS += tests/component/demo.sh

dist_check_SCRIPTS += tests/component/examples.sh
TESTS += tests/component/examples.sh
