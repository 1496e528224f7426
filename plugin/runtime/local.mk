# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-runtime.la
libkab_runtime_la_CPPFLAGS = $(RUNTIME) -DKAB_MODULE_DIR='"$(moduledir)"'
libkab_runtime_la_SOURCES = \
	plugin/runtime/arena.c \
	plugin/runtime/arena.h \
	plugin/runtime/binding-edges.c \
	plugin/runtime/binding-internal.h \
	plugin/runtime/binding-reload.c \
	plugin/runtime/binding-snapshot.c \
	plugin/runtime/binding.c \
	plugin/runtime/binding.h \
	plugin/runtime/bridge-internal.h \
	plugin/runtime/bridge-look.c \
	plugin/runtime/bridge-reload.c \
	plugin/runtime/bridge.c \
	plugin/runtime/bridge.h \
	plugin/runtime/call.c \
	plugin/runtime/configuration.c \
	plugin/runtime/configuration.h \
	plugin/runtime/context.c \
	plugin/runtime/context.h \
	plugin/runtime/error.c \
	plugin/runtime/executor.c \
	plugin/runtime/executor.h \
	plugin/runtime/ini-expand.c \
	plugin/runtime/ini.c \
	plugin/runtime/ini.h \
	plugin/runtime/loader.c \
	plugin/runtime/loader.h \
	plugin/runtime/log.c \
	plugin/runtime/log.h \
	plugin/runtime/loop.c \
	plugin/runtime/loop.h \
	plugin/runtime/mailbox.c \
	plugin/runtime/mailbox.h \
	plugin/runtime/options.c \
	plugin/runtime/options.h \
	plugin/runtime/options-table.h \
	plugin/runtime/options-text.c \
	plugin/runtime/options-value.c \
	plugin/runtime/options-value.h \
	plugin/runtime/settings.c \
	plugin/runtime/settings-binding.c \
	plugin/runtime/settings-check.c \
	plugin/runtime/settings-clients.c \
	plugin/runtime/settings-hint.c \
	plugin/runtime/settings-internal.h \
	plugin/runtime/settings-text.c \
	plugin/runtime/ticket.c \
	plugin/runtime/ticket.h

# The sum of the layers below the command. What it exports is marked KAB_API
# in include/kabridge; the list holds it to that.
lib_LTLIBRARIES += libkabridge.la
libkabridge_la_SOURCES =
libkabridge_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(KAB_VERSION_INFO) \
	-no-undefined
libkabridge_la_LIBADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS)
