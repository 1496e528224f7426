# SPDX-License-Identifier: Apache-2.0
RUNTIME_UNIT_CPPFLAGS = $(RUNTIME) -I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)

RUNTIME_UNIT_LIBS = libkab-runtime.la libkab-core.la $(CMOCKA_LIBS) \
	$(GLIB_LIBS) -lm

check_PROGRAMS += test-mailbox test-executor test-results
TESTS += test-mailbox test-executor test-results
test_mailbox_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_mailbox_SOURCES = tests/unit/test-mailbox.c
test_mailbox_LDADD = $(RUNTIME_UNIT_LIBS)
test_executor_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
EXECUTOR_RIG = tests/unit/executor-rig.c tests/unit/executor-rig.h
test_executor_SOURCES = $(EXECUTOR_RIG) tests/unit/test-executor.c
test_executor_LDADD = $(RUNTIME_UNIT_LIBS)
test_results_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_results_SOURCES = $(EXECUTOR_RIG) tests/unit/test-results.c
test_results_LDADD = $(RUNTIME_UNIT_LIBS)

check_PROGRAMS += test-ini
TESTS += test-ini
test_ini_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_ini_SOURCES = tests/unit/test-ini.c
test_ini_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(CMOCKA_LIBS) $(GLIB_LIBS)

check_PROGRAMS += test-log
TESTS += test-log
test_log_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_log_SOURCES = tests/unit/test-log.c
test_log_LDADD = $(RUNTIME_UNIT_LIBS)

check_PROGRAMS += test-readiness test-intake
TESTS += test-readiness test-intake
test_intake_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_intake_SOURCES = tests/unit/test-intake.c
test_intake_LDADD = libkab-runtime.la libkab-core.la $(CMOCKA_LIBS) $(GLIB_LIBS) -lm
test_readiness_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS)
test_readiness_SOURCES = tests/unit/test-readiness.c
test_readiness_LDADD = $(RUNTIME_UNIT_LIBS)

include tests/unit/settings.mk
