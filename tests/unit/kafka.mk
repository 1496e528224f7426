# SPDX-License-Identifier: Apache-2.0
KAFKA_UNIT_CPPFLAGS = $(KAFKA) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
KAFKA_UNIT_LIBS = libkab-kafka.la libkab-runtime.la libkab-core.la \
	$(CMOCKA_LIBS) $(RDKAFKA_LIBS) $(GLIB_LIBS)

KAFKA_UNIT_TESTS = test-committed test-properties
check_PROGRAMS += $(KAFKA_UNIT_TESTS)
TESTS += $(KAFKA_UNIT_TESTS)

test_committed_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_committed_SOURCES = tests/support/kab-test.h tests/unit/test-committed.c
test_committed_LDADD = $(KAFKA_UNIT_LIBS)

test_properties_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_properties_SOURCES = tests/support/kab-test.h tests/unit/test-properties.c
test_properties_LDADD = $(KAFKA_UNIT_LIBS)
