# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-core.la
libkab_core_la_CPPFLAGS = $(CORE)
libkab_core_la_LIBADD = $(GLIB_LIBS)
libkab_core_la_SOURCES = \
	plugin/core/adaptive.c \
	plugin/core/adaptive.h \
	plugin/core/answer.c \
	plugin/core/assignment.c \
	plugin/core/backoff.c \
	plugin/core/buffer.c \
	plugin/core/call.c \
	plugin/core/ceiling.c \
	plugin/core/check.c \
	plugin/core/commit.c \
	plugin/core/counters.h \
	plugin/core/dispatch.c \
	plugin/core/emission.c \
	plugin/core/engine.c \
	plugin/core/engine.h \
	plugin/core/failure.c \
	plugin/core/error.c \
	plugin/core/flush.c \
	plugin/core/ground.h \
	plugin/core/group.c \
	plugin/core/inspect.c \
	plugin/core/intervals.h \
	plugin/core/lane.c \
	plugin/core/ledger.h \
	plugin/core/limiter.c \
	plugin/core/limits.c \
	plugin/core/lists.h \
	plugin/core/metadata-cap.c \
	plugin/core/model.h \
	plugin/core/names.c \
	plugin/core/outgoing.h \
	plugin/core/outlet.h \
	plugin/core/partition.c \
	plugin/core/ports.h \
	plugin/core/retry.c \
	plugin/core/set.c \
	plugin/core/sink.c \
	plugin/core/slot.c \
	plugin/core/stall.c \
	plugin/core/stop.c \
	plugin/core/timers.c \
	plugin/core/timers.h \
	plugin/core/transaction-recovery.c \
	plugin/core/transaction-size.c \
	plugin/core/transaction-size.h \
	plugin/core/turn.h \
	plugin/core/types.h \
	plugin/core/valve.c \
	plugin/core/work.h
