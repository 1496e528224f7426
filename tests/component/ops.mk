# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-admin
TESTS += test-admin
test_admin_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_admin_SOURCES = $(EXPOSITION) tests/component/test-admin.c
test_admin_LDADD = $(OPS_UNIT_LIBS)

CHILD = \
	plugin/cli/fetch.c \
	plugin/cli/fetch.h \
	tests/component/child.c \
	tests/component/child.h

check_PROGRAMS += test-command test-dlq
TESTS += test-command test-dlq
test_command_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_command_SOURCES = \
	$(EXPOSITION) \
	$(CHILD) \
	tests/component/test-command.c
test_command_LDADD = $(MOCK_LIBS)

check_PROGRAMS += test-stop
TESTS += test-stop
test_stop_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_stop_SOURCES = $(CHILD) tests/component/test-stop.c
test_stop_LDADD = $(MOCK_LIBS)

MOCK_LIBS = libkab-kafka.la libkab-runtime.la libkab-core.la \
	$(RDKAFKA_LIBS) $(CMOCKA_LIBS) $(GLIB_LIBS) -lm

test_dlq_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_dlq_SOURCES = $(CHILD) tests/component/test-dlq.c
test_dlq_LDADD = $(MOCK_LIBS)

dist_check_SCRIPTS += tests/component/demo.sh
TESTS += tests/component/demo.sh

dist_check_SCRIPTS += tests/component/examples.sh
TESTS += tests/component/examples.sh

dist_check_SCRIPTS += tests/component/try.sh
TESTS += tests/component/try.sh
