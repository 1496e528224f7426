# SPDX-License-Identifier: Apache-2.0
COMPONENT_CPPFLAGS = $(KAFKA) -I$(top_srcdir)/tests/support \
	-I$(top_srcdir)/tests/component $(CMOCKA_CFLAGS)
COMPONENT_LIBS = libkab-kafka.la libkab-core.la $(CMOCKA_LIBS) \
	$(RDKAFKA_LIBS) $(GLIB_LIBS) -lm
MEMBER = \
	tests/support/kab-test.h \
	tests/component/member.c \
	tests/component/member.h

SOURCE_TESTS = test-commit-rhythm test-message test-source test-source-faults
check_PROGRAMS += $(SOURCE_TESTS)
TESTS += $(SOURCE_TESTS)

test_commit_rhythm_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_commit_rhythm_SOURCES = $(MEMBER) tests/component/test-commit-rhythm.c
test_commit_rhythm_LDADD = $(COMPONENT_LIBS)

test_message_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_message_SOURCES = tests/support/kab-test.h tests/component/test-message.c
test_message_LDADD = $(COMPONENT_LIBS)

test_source_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_source_SOURCES = $(MEMBER) tests/component/test-source.c
test_source_LDADD = $(COMPONENT_LIBS)

test_source_faults_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_source_faults_SOURCES = $(MEMBER) tests/component/test-source-faults.c
test_source_faults_LDADD = $(COMPONENT_LIBS)

# By hand, and by the tests with a real broker.
check_PROGRAMS += churn
churn_CPPFLAGS = $(COMPONENT_CPPFLAGS)
churn_SOURCES = $(MEMBER) tests/component/churn.c
churn_LDADD = $(COMPONENT_LIBS)
