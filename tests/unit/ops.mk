# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-metrics
TESTS += test-metrics
OPS_UNIT_CPPFLAGS = $(OPS) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
OPS_UNIT_LIBS = libkab-ops.la libkab-runtime.la libkab-core.la $(CMOCKA_LIBS) $(GLIB_LIBS) -lm
EXPOSITION = \
	tests/support/exposition.c \
	tests/support/exposition.h

test_metrics_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_metrics_SOURCES = $(EXPOSITION) tests/unit/test-metrics.c
test_metrics_LDADD = $(OPS_UNIT_LIBS)

check_PROGRAMS += test-top
TESTS += test-top
test_top_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_top_SOURCES = \
	plugin/cli/terminal.c \
	plugin/cli/terminal.h \
	plugin/cli/top-history.c \
	plugin/cli/top-history.h \
	plugin/cli/top-screen.c \
	plugin/cli/top.h \
	tests/unit/test-top.c
test_top_LDADD = $(JANSSON_LIBS) $(CMOCKA_LIBS) $(GLIB_LIBS)

check_PROGRAMS += test-skip
TESTS += test-skip
test_skip_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_skip_SOURCES = \
	plugin/cli/skip-apply.c \
	plugin/cli/skip.h \
	tests/unit/test-skip.c
test_skip_LDADD = $(CMOCKA_LIBS) $(GLIB_LIBS)

check_PROGRAMS += test-tap
TESTS += test-tap
test_tap_CPPFLAGS = $(OPS_UNIT_CPPFLAGS)
test_tap_SOURCES = tests/unit/test-tap.c
test_tap_LDADD = $(OPS_UNIT_LIBS)

check_PROGRAMS += test-dlq-filter
TESTS += test-dlq-filter
test_dlq_filter_CPPFLAGS = $(OPS_UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_dlq_filter_SOURCES = \
	plugin/cli/dlq-filter.c \
	plugin/cli/dlq-filter.h \
	plugin/cli/dlq-summary.c \
	plugin/cli/dlq-summary.h \
	plugin/cli/letter-print.c \
	plugin/cli/letter-print.h \
	tests/unit/test-dlq-filter.c
test_dlq_filter_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(RDKAFKA_LIBS) $(JANSSON_LIBS) $(CMOCKA_LIBS) $(GLIB_LIBS) -lm

check_PROGRAMS += test-try-search
TESTS += test-try-search
test_try_search_CPPFLAGS = $(UNIT_CPPFLAGS) -I$(top_srcdir)/plugin/cli
test_try_search_SOURCES = \
	plugin/cli/try-search.c \
	plugin/cli/try-search.h \
	tests/unit/plant.c \
	tests/unit/plant.h \
	tests/unit/test-try-search.c
test_try_search_LDADD = $(UNIT_LIBS) -lm
