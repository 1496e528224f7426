# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-core.la
libkab_core_la_CPPFLAGS = $(CORE)
libkab_core_la_LIBADD = $(GLIB_LIBS)
libkab_core_la_SOURCES = \
	plugin/core/answer.c \
	plugin/core/assignment.c \
	plugin/core/buffer.c \
	plugin/core/call.c \
	plugin/core/cap.c \
	plugin/core/commit.c \
	plugin/core/counters.h \
	plugin/core/emission.c \
	plugin/core/engine.c \
	plugin/core/engine.h \
	plugin/core/flush.c \
	plugin/core/group.c \
	plugin/core/internal.h \
	plugin/core/intervals.h \
	plugin/core/lane.c \
	plugin/core/limiter.c \
	plugin/core/look.c \
	plugin/core/partition.c \
	plugin/core/retry.c \
	plugin/core/set.c \
	plugin/core/sink.c \
	plugin/core/slot.c \
	plugin/core/timers.c \
	plugin/core/timers.h \
	plugin/core/types.h \
	plugin/core/unknown.c
