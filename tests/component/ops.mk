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

MOCK_CLIENT = \
	tests/component/mock-client.c \
	tests/component/mock-client.h

MANAGER = \
	tests/component/manager.c \
	tests/component/manager.h

check_PROGRAMS += test-command test-dlq test-streams
TESTS += test-command test-dlq test-streams
test_command_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_command_SOURCES = \
	$(EXPOSITION) \
	$(CHILD) \
	$(MANAGER) \
	$(MOCK_CLIENT) \
	tests/component/test-command.c
test_command_LDADD = $(MOCK_LIBS)
test_streams_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_streams_SOURCES = \
	$(EXPOSITION) \
	$(CHILD) \
	$(MOCK_CLIENT) \
	tests/component/test-streams.c
test_streams_LDADD = $(MOCK_LIBS)

COLLECTOR = tests/support/collector.c tests/support/collector.h
check_PROGRAMS += test-trace test-insight
TESTS += test-trace test-insight
test_insight_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_insight_SOURCES = \
	$(CHILD) \
	$(COLLECTOR) \
	$(MOCK_CLIENT) \
	tests/component/test-insight.c
test_insight_LDADD = $(MOCK_LIBS) $(JANSSON_LIBS) $(MICROHTTPD_LIBS)
test_trace_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_trace_SOURCES = $(COLLECTOR) tests/component/test-trace.c
test_trace_LDADD = $(OPS_UNIT_LIBS)

check_PROGRAMS += test-obstacles
TESTS += test-obstacles
test_obstacles_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_obstacles_SOURCES = $(CHILD) $(MOCK_CLIENT) tests/component/test-obstacles.c
test_obstacles_LDADD = $(MOCK_LIBS)

check_PROGRAMS += test-stop
TESTS += test-stop
test_stop_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_stop_SOURCES = $(CHILD) $(MOCK_CLIENT) tests/component/test-stop.c
test_stop_LDADD = $(MOCK_LIBS)

check_PROGRAMS += test-renewal
TESTS += test-renewal
test_renewal_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_renewal_SOURCES = $(CHILD) $(MOCK_CLIENT) \
	tests/component/test-renewal.c
test_renewal_LDADD = $(MOCK_LIBS)

check_PROGRAMS += test-reload
TESTS += test-reload
test_reload_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_reload_SOURCES = $(CHILD) $(MANAGER) $(MOCK_CLIENT) \
	tests/component/test-reload.c
test_reload_LDADD = $(MOCK_LIBS)
# The function of that test; found beside the command, never installed.
noinst_LTLIBRARIES += gate.la
gate_la_CPPFLAGS = $(API)
gate_la_SOURCES = tests/component/gate.c
gate_la_LDFLAGS = $(MODULE_LDFLAGS)
gate_la_LIBADD = libkabridge.la

MOCK_LIBS = libkab-kafka.la libkab-core.la \
	$(RDKAFKA_LIBS) $(CMOCKA_LIBS) $(GLIB_LIBS) -lm

test_dlq_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_dlq_SOURCES = $(CHILD) $(MOCK_CLIENT) tests/component/test-dlq.c
test_dlq_LDADD = $(MOCK_LIBS)

dist_check_SCRIPTS += tests/component/demo.sh
TESTS += tests/component/demo.sh

dist_check_SCRIPTS += tests/component/examples.sh
TESTS += tests/component/examples.sh

dist_check_SCRIPTS += tests/component/find-batch.sh tests/component/try.sh
TESTS += tests/component/find-batch.sh tests/component/try.sh
