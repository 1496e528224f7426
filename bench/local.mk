# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += bench-floor
bench_floor_CPPFLAGS = $(RDKAFKA_CFLAGS)
bench_floor_SOURCES = bench/bench-floor.c
bench_floor_LDADD = $(RDKAFKA_LIBS)

noinst_PROGRAMS += bench-latency
bench_latency_CPPFLAGS = $(RDKAFKA_CFLAGS) $(GLIB_CFLAGS)
bench_latency_SOURCES = bench/latency.c
bench_latency_LDADD = $(RDKAFKA_LIBS) $(GLIB_LIBS)

noinst_PROGRAMS += engine-cost
engine_cost_CPPFLAGS = $(CORE)
engine_cost_SOURCES = bench/engine-cost.c
engine_cost_LDADD = libkab-core.la $(GLIB_LIBS)

noinst_PROGRAMS += json-slice
json_slice_CPPFLAGS = -I$(top_srcdir)/plugin/functions/support $(JANSSON_CFLAGS)
json_slice_SOURCES = bench/json-slice.c
json_slice_LDADD = libkab-json.la $(JANSSON_LIBS)

EXTRA_DIST += \
	bench/chart.py \
	bench/guard.py \
	bench/parts.py \
	bench/run.py \
	bench/subjects.py \
	bench/run.sh

# The function's own files, as if the program were its host.
noinst_PROGRAMS += worker-cost
worker_cost_CPPFLAGS = $(RUNTIME) $(WORKER_CPPFLAGS) \
	-I$(top_srcdir)/tests/support
worker_cost_SOURCES = $(WORKER) $(WORKER_RIG) bench/worker-cost.c
worker_cost_LDADD = $(WORKER_TEST_LIBS)

EXTRA_DIST += \
	bench/worker-bare.py \
	bench/worker-echo.py \
	bench/worker.sh

EXTRA_DIST += bench/http-batch.c
if HAVE_LIBCURL
noinst_PROGRAMS += http-batch
http_batch_CPPFLAGS = $(RUNTIME) $(HTTP_CPPFLAGS)
http_batch_SOURCES = bench/http-batch.c plugin/functions/http.c
http_batch_LDADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(RDKAFKA_LIBS) $(HTTP_LIBS)
endif
