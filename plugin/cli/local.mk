# SPDX-License-Identifier: Apache-2.0
# The command links the archives of the layers and exports what is marked
# KAB_API from itself, so that modules it loads use its copy of the code.
bin_PROGRAMS += kabridge
kabridge_CPPFLAGS = $(OPS) -I$(top_srcdir)/plugin/cli
kabridge_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
kabridge_LDADD = libkab-ops.la libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS) $(SYSTEMD_LIBS)
kabridge_SOURCES = \
	plugin/cli/check.c \
	plugin/cli/cli.h \
	plugin/cli/fetch.c \
	plugin/cli/fetch.h \
	plugin/cli/functions.c \
	plugin/cli/main.c \
	plugin/cli/options.c \
	plugin/cli/session.c \
	plugin/cli/session.h \
	plugin/cli/terminal.c \
	plugin/cli/terminal.h \
	plugin/cli/top-screen.c \
	plugin/cli/top.c \
	plugin/cli/top.h \
	plugin/cli/try-run.c \
	plugin/cli/try.c \
	plugin/cli/try.h \
	plugin/cli/version.c \
	plugin/cli/words.c
