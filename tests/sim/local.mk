# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += kab-sim
kab_sim_CPPFLAGS = $(CORE)
kab_sim_LDADD = libkab-core.la $(GLIB_LIBS)
kab_sim_SOURCES = \
	tests/sim/broker.c \
	tests/sim/chaos.c \
	tests/sim/check.c \
	tests/sim/check-calls.c \
	tests/sim/check-commits.c \
	tests/sim/count.c \
	tests/sim/function.c \
	tests/sim/group.c \
	tests/sim/health.c \
	tests/sim/main.c \
	tests/sim/member.c \
	tests/sim/plan.c \
	tests/sim/plan.h \
	tests/sim/produce.c \
	tests/sim/random.c \
	tests/sim/sim.h \
	tests/sim/sink.c \
	tests/sim/source.c \
	tests/sim/trace.c \
	tests/sim/transactions.c \
	tests/sim/world.c

dist_check_SCRIPTS += tests/sim/schedules.sh
TESTS += tests/sim/schedules.sh
dist_check_SCRIPTS += tests/sim/mutations-apply.sh
TESTS += tests/sim/mutations-apply.sh
dist_check_SCRIPTS += tests/sim/mutate.sh
EXTRA_DIST += tests/sim/mutations.txt
EXTRA_DIST += tests/sim/mutations-counters.txt
EXTRA_DIST += tests/sim/mutations-late.txt
