# SPDX-License-Identifier: Apache-2.0
PRODUCER_RIG = \
	tests/component/producer-rig.c \
	tests/component/producer-rig.h \
	tests/component/producer-rig-effects.c \
	tests/component/producer-rig-internal.h \
	tests/component/producer-rig-topics.c \
	tests/support/kab-test.h

PRODUCER_TESTS = \
	test-producer \
	test-producer-letters \
	test-producer-refusals \
	test-producer-transactions
check_PROGRAMS += $(PRODUCER_TESTS)
TESTS += $(PRODUCER_TESTS)
test_producer_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_producer_SOURCES = $(PRODUCER_RIG) tests/component/test-producer.c
test_producer_LDADD = $(COMPONENT_LIBS)
test_producer_letters_CPPFLAGS = $(test_producer_CPPFLAGS)
test_producer_letters_SOURCES = $(PRODUCER_RIG) \
	tests/component/test-producer-letters.c
test_producer_letters_LDADD = $(test_producer_LDADD)
test_producer_refusals_CPPFLAGS = $(test_producer_CPPFLAGS)
test_producer_refusals_SOURCES = $(PRODUCER_RIG) \
	tests/component/test-producer-refusals.c
test_producer_refusals_LDADD = $(test_producer_LDADD)
test_producer_transactions_CPPFLAGS = $(test_producer_CPPFLAGS)
test_producer_transactions_SOURCES = $(PRODUCER_RIG) \
	tests/component/test-producer-transactions.c
test_producer_transactions_LDADD = $(test_producer_LDADD)

check_PROGRAMS += test-probe
TESTS += test-probe
test_probe_CPPFLAGS = $(COMPONENT_CPPFLAGS)
test_probe_SOURCES = tests/support/kab-test.h tests/component/test-probe.c
test_probe_LDADD = $(COMPONENT_LIBS)

# Against a real broker: tests/kafka/producer.py.
check_PROGRAMS += prove-producer
prove_producer_CPPFLAGS = $(COMPONENT_CPPFLAGS)
prove_producer_SOURCES = $(PRODUCER_RIG) tests/component/prove-producer.c
prove_producer_LDADD = $(COMPONENT_LIBS)
EXTRA_DIST += tests/kafka/producer.py
