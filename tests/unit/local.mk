# SPDX-License-Identifier: Apache-2.0
UNIT_CPPFLAGS = $(CORE) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)

check_PROGRAMS += test-engine
TESTS += test-engine
test_engine_CPPFLAGS = $(UNIT_CPPFLAGS)
test_engine_SOURCES = \
	tests/support/kab-test.h \
	tests/unit/fake-edge.c \
	tests/unit/fake-edge.h \
	tests/unit/test-engine.c
test_engine_LDADD = libkab-core.la $(CMOCKA_LIBS) $(GLIB_LIBS)
