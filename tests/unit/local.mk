# SPDX-License-Identifier: Apache-2.0
UNIT_CPPFLAGS = $(CORE) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
UNIT_LIBS = libkab-core.la $(CMOCKA_LIBS) $(GLIB_LIBS)
ENGINE_TEST = \
	tests/support/kab-test.h \
	tests/unit/engine-test.c \
	tests/unit/engine-test.h \
	tests/unit/fake-edge.c \
	tests/unit/fake-edge.h

UNIT_TESTS = test-adaptive test-commit test-delivery test-engine test-failure \
	test-halving test-limits test-look test-promises test-retry \
	test-timers test-transaction-size test-transactions
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

test_adaptive_CPPFLAGS = $(UNIT_CPPFLAGS)
test_adaptive_SOURCES = \
	tests/support/kab-test.h \
	tests/unit/plant.c \
	tests/unit/plant.h \
	tests/unit/test-adaptive.c
test_adaptive_LDADD = $(UNIT_LIBS) -lm

test_commit_CPPFLAGS = $(UNIT_CPPFLAGS)
test_commit_SOURCES = $(ENGINE_TEST) tests/unit/test-commit.c
test_commit_LDADD = $(UNIT_LIBS)

test_delivery_CPPFLAGS = $(UNIT_CPPFLAGS)
test_delivery_SOURCES = $(ENGINE_TEST) tests/unit/test-delivery.c
test_delivery_LDADD = $(UNIT_LIBS)

test_failure_CPPFLAGS = $(UNIT_CPPFLAGS)
test_failure_SOURCES = $(ENGINE_TEST) tests/unit/test-failure.c
test_failure_LDADD = $(UNIT_LIBS)

test_engine_CPPFLAGS = $(UNIT_CPPFLAGS)
test_engine_SOURCES = $(ENGINE_TEST) tests/unit/test-engine.c
test_engine_LDADD = $(UNIT_LIBS)

test_halving_CPPFLAGS = $(UNIT_CPPFLAGS)
test_halving_SOURCES = $(ENGINE_TEST) tests/unit/test-halving.c
test_halving_LDADD = $(UNIT_LIBS)

test_limits_CPPFLAGS = $(UNIT_CPPFLAGS)
test_limits_SOURCES = $(ENGINE_TEST) tests/unit/test-limits.c
test_limits_LDADD = $(UNIT_LIBS)

test_look_CPPFLAGS = $(UNIT_CPPFLAGS)
test_look_SOURCES = $(ENGINE_TEST) tests/unit/test-look.c
test_look_LDADD = $(UNIT_LIBS)

test_promises_CPPFLAGS = $(UNIT_CPPFLAGS)
test_promises_SOURCES = $(ENGINE_TEST) tests/unit/test-promises.c
test_promises_LDADD = $(UNIT_LIBS)

test_retry_CPPFLAGS = $(UNIT_CPPFLAGS)
test_retry_SOURCES = $(ENGINE_TEST) tests/unit/test-retry.c
test_retry_LDADD = $(UNIT_LIBS)

test_timers_CPPFLAGS = $(UNIT_CPPFLAGS)
test_timers_SOURCES = tests/support/kab-test.h tests/unit/test-timers.c
test_timers_LDADD = $(UNIT_LIBS)

test_transaction_size_CPPFLAGS = $(UNIT_CPPFLAGS)
test_transaction_size_SOURCES = \
	tests/support/kab-test.h \
	tests/unit/test-transaction-size.c
test_transaction_size_LDADD = $(UNIT_LIBS)

test_transactions_CPPFLAGS = $(UNIT_CPPFLAGS)
test_transactions_SOURCES = $(ENGINE_TEST) tests/unit/test-transactions.c
test_transactions_LDADD = $(UNIT_LIBS)

include tests/unit/runtime.mk
include tests/unit/ops.mk
include tests/unit/producer.mk
include tests/unit/kafka.mk
include tests/unit/functions.mk
include tests/unit/sql.mk
