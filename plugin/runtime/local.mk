# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-runtime.la
libkab_runtime_la_CPPFLAGS = $(RUNTIME) $(CURL_CFLAGS) $(JANSSON_CFLAGS) \
	-DKAB_MODULE_DIR='"$(moduledir)"' \
	-DKAB_LIBRARY_DIR='"$(libdir)"' \
	-DKAB_LIBRARY_MAJOR='"$(KAB_LIBRARY_MAJOR)"'
libkab_runtime_la_LIBADD = $(CURL_LIBS) $(JANSSON_LIBS)
libkab_runtime_la_SOURCES = \
	plugin/runtime/arena.c \
	plugin/runtime/arena.h \
	plugin/runtime/batch-keep.c \
	plugin/runtime/batch-keep.h \
	plugin/runtime/batch.c \
	plugin/runtime/binding-edges.c \
	plugin/runtime/binding-internal.h \
	plugin/runtime/binding-make.c \
	plugin/runtime/binding-ready.c \
	plugin/runtime/binding-reload.c \
	plugin/runtime/binding-snapshot.c \
	plugin/runtime/binding-turn.c \
	plugin/runtime/binding.c \
	plugin/runtime/binding.h \
	plugin/runtime/bridge-internal.h \
	plugin/runtime/bridge-look.c \
	plugin/runtime/bridge-reload.c \
	plugin/runtime/bridge.c \
	plugin/runtime/bridge.h \
	plugin/runtime/configuration.c \
	plugin/runtime/configuration.h \
	plugin/runtime/context.c \
	plugin/runtime/context.h \
	plugin/runtime/elf-check.c \
	plugin/runtime/elf-check.h \
	plugin/runtime/executor.c \
	plugin/runtime/executor.h \
	plugin/runtime/ini-expand.c \
	plugin/runtime/ini.c \
	plugin/runtime/ini.h \
	plugin/runtime/intake.c \
	plugin/runtime/intake.h \
	plugin/runtime/instance.c \
	plugin/runtime/instance.h \
	plugin/runtime/loader.c \
	plugin/runtime/loader.h \
	plugin/runtime/log.c \
	plugin/runtime/log.h \
	plugin/runtime/log-journal.c \
	plugin/runtime/log-journal.h \
	plugin/runtime/log-writer.c \
	plugin/runtime/log-writer.h \
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
	plugin/runtime/printable.c \
	plugin/runtime/printable.h \
	plugin/runtime/settings.c \
	plugin/runtime/settings-binding.c \
	plugin/runtime/settings-check.c \
	plugin/runtime/settings-clients.c \
	plugin/runtime/settings-hint.c \
	plugin/runtime/settings-internal.h \
	plugin/runtime/settings-text.c \
	plugin/runtime/readiness.c \
	plugin/runtime/readiness.h \
	plugin/runtime/process-limits.c \
	plugin/runtime/process-limits.h \
	plugin/runtime/small-file.c \
	plugin/runtime/small-file.h \
	plugin/runtime/state.c \
	plugin/runtime/state.h \
	plugin/runtime/tap.c \
	plugin/runtime/tap.h \
	plugin/runtime/ticket.c \
	plugin/runtime/ticket.h \
	plugin/runtime/trace-span.c \
	plugin/runtime/trace-span.h \
	plugin/runtime/trace.c \
	plugin/runtime/trace.h \
	plugin/runtime/units.c \
	plugin/runtime/units.h

# The sum of the layers below the command. What it exports is marked KAB_API
# in include/kabridge; the list holds it to that.
lib_LTLIBRARIES += libkabridge.la
libkabridge_la_SOURCES =
libkabridge_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(KAB_VERSION_INFO) \
	-no-undefined
libkabridge_la_LIBADD = libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS)
