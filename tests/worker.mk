# SPDX-License-Identifier: Apache-2.0
# The function worker and its Python package.
WORKER_RIG = tests/support/worker-rig.c tests/support/worker-rig.h
WORKER_TEST_LIBS = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(CMOCKA_LIBS) $(GLIB_LIBS) $(RDKAFKA_LIBS) $(JANSSON_LIBS) -lpthread
WORKER_TEST_CPPFLAGS = $(RUNTIME_UNIT_CPPFLAGS) $(WORKER_CPPFLAGS) \
	-I$(top_srcdir)/plugin/functions

# The module's own files, as if the program were its host.
check_PROGRAMS += fake-worker test-worker
TESTS += test-worker
fake_worker_SOURCES = tests/support/fake-worker.c
test_worker_CPPFLAGS = $(WORKER_TEST_CPPFLAGS)
test_worker_SOURCES = $(WORKER) $(WORKER_RIG) tests/component/test-worker.c
test_worker_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=syscall
test_worker_LDADD = $(WORKER_TEST_LIBS)

check_PROGRAMS += test-worker-frames
TESTS += test-worker-frames
test_worker_frames_CPPFLAGS = $(WORKER_TEST_CPPFLAGS)
test_worker_frames_SOURCES = \
	plugin/functions/worker-encode.c \
	plugin/functions/worker-frame.c \
	plugin/functions/worker-result.c \
	tests/unit/test-worker-frames.c
test_worker_frames_LDADD = $(CMOCKA_LIBS) $(GLIB_LIBS)

WORKER_CHECKS = tests/worker/crash.sh tests/worker/documents.sh \
	tests/worker/python.sh
dist_check_SCRIPTS += $(WORKER_CHECKS)
TESTS += $(WORKER_CHECKS)
EXTRA_DIST += \
	python/README.md \
	python/pyproject.toml \
	python/tests/conformance.py \
	python/tests/test_check.py \
	python/tests/test_frames.py \
	python/tests/test_run.py \
	python/tests/test_session.py \
	tests/worker/frames.txt

FUZZ_TARGETS += worker
FUZZ_CPPFLAGS += -I$(top_srcdir)/plugin/functions
FUZZ_worker = plugin/functions/worker-frame.c plugin/functions/worker-result.c
check_PROGRAMS += fuzz-worker
fuzz_worker_CPPFLAGS = $(FUZZ_CPPFLAGS)
fuzz_worker_SOURCES = $(FUZZ_DRIVER) tests/fuzz/fuzz-worker.c $(FUZZ_worker)
fuzz_worker_LDADD = $(GLIB_LIBS)
EXTRA_DIST += tests/fuzz/corpus-worker
check_PROGRAMS += worker-c
worker_c_SOURCES = examples/worker-c/worker.c
EXTRA_DIST += \
	doc/functions.md \
	doc/worker-protocol.md \
	doc/write-a-function.md
