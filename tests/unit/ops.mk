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
