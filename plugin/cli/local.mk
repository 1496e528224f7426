# SPDX-License-Identifier: Apache-2.0
# The command links the archives of the layers and exports what is marked
# KAB_API from itself, so that modules it loads use its copy of the code.
bin_PROGRAMS += kabridge
kabridge_CPPFLAGS = $(OPS) -I$(top_srcdir)/plugin/cli -I$(top_builddir)
kabridge_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
kabridge_LDADD = libkab-ops.la libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS) $(SYSTEMD_LIBS)
kabridge_SOURCES = \
	plugin/cli/check.c \
	plugin/cli/cli.h \
	plugin/cli/demo-feed.c \
	plugin/cli/demo-function.c \
	plugin/cli/demo-reader.c \
	plugin/cli/demo.c \
	plugin/cli/demo.h \
	plugin/cli/dlq-replay.c \
	plugin/cli/dlq-replay.h \
	plugin/cli/dlq-scan.c \
	plugin/cli/dlq-scan.h \
	plugin/cli/dlq.c \
	plugin/cli/fetch.c \
	plugin/cli/fetch.h \
	plugin/cli/functions.c \
	plugin/cli/group.c \
	plugin/cli/group.h \
	plugin/cli/letter-view.c \
	plugin/cli/letter-view.h \
	plugin/cli/main.c \
	plugin/cli/new.c \
	plugin/cli/options.c \
	plugin/cli/output.c \
	plugin/cli/output.h \
	plugin/cli/run.c \
	plugin/cli/service.h \
	plugin/cli/session.c \
	plugin/cli/session.h \
	plugin/cli/signals.c \
	plugin/cli/signals.h \
	plugin/cli/skip-apply.c \
	plugin/cli/skip.c \
	plugin/cli/skip.h \
	plugin/cli/terminal.c \
	plugin/cli/terminal.h \
	plugin/cli/top-screen.c \
	plugin/cli/top.c \
	plugin/cli/top.h \
	plugin/cli/try-lines.c \
	plugin/cli/try-lines.h \
	plugin/cli/try-run.c \
	plugin/cli/try.c \
	plugin/cli/try.h \
	plugin/cli/version.c \
	plugin/cli/words.c

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = plugin/cli/completion/kabridge

# The project that `kabridge new` makes, as C strings: {"path", "text"}, each.
TEMPLATE_C = \
	$(top_srcdir)/plugin/cli/template-c/NAME.c:@NAME@.c \
	$(top_srcdir)/plugin/cli/template-c/NAME.conf:@NAME@.conf \
	$(top_srcdir)/plugin/cli/template-c/Makefile:Makefile \
	$(top_srcdir)/plugin/cli/template-c/README.md:README.md \
	$(top_srcdir)/plugin/cli/template-c/gitignore:.gitignore \
	$(top_srcdir)/plugin/cli/template-c/records.txt:test/records.txt \
	$(top_srcdir)/plugin/cli/template-c/expected.txt:test/expected.txt
nodist_kabridge_SOURCES = plugin/cli/template-c.inc
EXTRA_DIST += plugin/cli/template-c
BUILT_SOURCES += plugin/cli/template-c.inc
CLEANFILES += plugin/cli/template-c.inc
plugin/cli/template-c.inc: $(top_srcdir)/plugin/cli/template-c/*
	$(AM_V_GEN)$(MKDIR_P) plugin/cli && for file in $(TEMPLATE_C); do \
	    echo "{\"$${file#*:}\","; \
	    sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' $${file%%:*}; \
	    echo '},'; \
	done > $@.tmp && mv $@.tmp $@
