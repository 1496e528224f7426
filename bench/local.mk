# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += bench-floor
bench_floor_CPPFLAGS = $(RDKAFKA_CFLAGS)
bench_floor_SOURCES = bench/bench-floor.c
bench_floor_LDADD = $(RDKAFKA_LIBS)

noinst_PROGRAMS += engine-cost
engine_cost_CPPFLAGS = $(CORE)
engine_cost_SOURCES = bench/engine-cost.c
engine_cost_LDADD = libkab-core.la $(GLIB_LIBS)

EXTRA_DIST += \
	bench/run.py \
	bench/run.sh
