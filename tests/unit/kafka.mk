# SPDX-License-Identifier: Apache-2.0
KAFKA_UNIT_CPPFLAGS = $(KAFKA) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
KAFKA_UNIT_LIBS = libkab-kafka.la libkab-core.la $(CMOCKA_LIBS) \
	$(RDKAFKA_LIBS) $(GLIB_LIBS)

KAFKA_UNIT_TESTS = test-committed test-outage-lines test-properties \
	test-quirks test-ready test-record-layout
check_PROGRAMS += $(KAFKA_UNIT_TESTS)
TESTS += $(KAFKA_UNIT_TESTS)

test_committed_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_committed_SOURCES = tests/support/kab-test.h tests/unit/test-committed.c
test_committed_LDADD = $(KAFKA_UNIT_LIBS)

test_outage_lines_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_outage_lines_SOURCES = \
	tests/support/kab-test.h \
	tests/unit/test-outage-lines.c
test_outage_lines_LDADD = $(KAFKA_UNIT_LIBS)

test_ready_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_ready_SOURCES = tests/support/kab-test.h tests/unit/test-ready.c
test_ready_LDADD = $(KAFKA_UNIT_LIBS)

test_record_layout_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_record_layout_SOURCES = tests/support/kab-test.h \
	tests/unit/test-record-layout.c
test_record_layout_LDADD = $(KAFKA_UNIT_LIBS)

test_quirks_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_quirks_SOURCES = tests/support/kab-test.h tests/unit/test-quirks.c
test_quirks_LDADD = $(KAFKA_UNIT_LIBS)

test_properties_CPPFLAGS = $(KAFKA_UNIT_CPPFLAGS)
test_properties_SOURCES = tests/support/kab-test.h tests/unit/test-properties.c
test_properties_LDADD = $(KAFKA_UNIT_LIBS)
