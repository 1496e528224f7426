# SPDX-License-Identifier: Apache-2.0
# The command links the archives of the layers and exports what is marked
# KAB_API from itself, so that modules it loads use its copy of the code.
bin_PROGRAMS += kabridge
kabridge_CPPFLAGS = $(OPS) -I$(top_srcdir)/plugin/cli
kabridge_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
kabridge_LDADD = libkab-runtime.la libkab-core.la $(GLIB_LIBS) $(RDKAFKA_LIBS)
kabridge_SOURCES = \
	plugin/cli/cli.h \
	plugin/cli/functions.c \
	plugin/cli/main.c \
	plugin/cli/options.c \
	plugin/cli/version.c \
	plugin/cli/words.c
