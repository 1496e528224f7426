# SPDX-License-Identifier: Apache-2.0
COMPONENT_CPPFLAGS = $(KAFKA) -I$(top_srcdir)/tests/support \
	-I$(top_srcdir)/tests/component $(CMOCKA_CFLAGS)
COMPONENT_LIBS = libkab-kafka.la libkab-runtime.la libkab-core.la \
	$(CMOCKA_LIBS) $(RDKAFKA_LIBS) $(GLIB_LIBS)
MEMBER = \
	tests/support/kab-test.h \
	tests/component/member.c \
	tests/component/member.h

check_PROGRAMS += test-source
TESTS += test-source
test_source_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_source_SOURCES = $(MEMBER) tests/component/test-source.c
test_source_LDADD = $(COMPONENT_LIBS)
