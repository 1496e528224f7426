# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-letter test-refusal
TESTS += test-letter test-refusal
test_letter_CPPFLAGS = $(KAFKA) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
test_letter_SOURCES = tests/support/kab-test.h tests/unit/test-letter.c
test_letter_LDADD = libkab-kafka.la libkab-core.la $(CMOCKA_LIBS)
test_refusal_CPPFLAGS = $(test_letter_CPPFLAGS)
test_refusal_SOURCES = tests/support/kab-test.h tests/unit/test-refusal.c
test_refusal_LDADD = libkab-kafka.la libkab-core.la $(CMOCKA_LIBS)
