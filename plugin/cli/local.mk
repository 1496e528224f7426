# SPDX-License-Identifier: Apache-2.0
# The command links the archives of the layers and exports what is marked
# KAB_API from itself, so that modules it loads use its copy of the code.
bin_PROGRAMS += kabridge
kabridge_CPPFLAGS = $(OPS) -I$(top_srcdir)/plugin/cli -I$(top_builddir)
kabridge_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
kabridge_LDADD = libkab-ops.la libkab-runtime.la libkab-kafka.la libkab-core.la \
	$(GLIB_LIBS) $(RDKAFKA_LIBS) $(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(SYSTEMD_LIBS)
kabridge_SOURCES = \
	plugin/cli/check.c \
	plugin/cli/cli.h \
	plugin/cli/demo-feed.c \
	plugin/cli/demo-function.c \
	plugin/cli/demo-mood.c \
	plugin/cli/demo-reader.c \
	plugin/cli/demo-server.c \
	plugin/cli/demo.c \
	plugin/cli/demo.h \
	plugin/cli/dlq-filter.c \
	plugin/cli/dlq-filter.h \
	plugin/cli/dlq-replay.c \
	plugin/cli/dlq-replay.h \
	plugin/cli/dlq-scan.c \
	plugin/cli/dlq-scan.h \
	plugin/cli/dlq-summary.c \
	plugin/cli/dlq-summary.h \
	plugin/cli/dlq.c \
	plugin/cli/fetch.c \
	plugin/cli/fetch.h \
	plugin/cli/functions.c \
	plugin/cli/group.c \
	plugin/cli/group.h \
	plugin/cli/letter-print.c \
	plugin/cli/letter-print.h \
	plugin/cli/letter-view.c \
	plugin/cli/letter-view.h \
	plugin/cli/main.c \
	plugin/cli/new.c \
	plugin/cli/options.c \
	plugin/cli/output.c \
	plugin/cli/output.h \
	plugin/cli/ready.c \
	plugin/cli/run.c \
	plugin/cli/service.h \
	plugin/cli/session.c \
	plugin/cli/session.h \
	plugin/cli/signals.c \
	plugin/cli/signals.h \
	plugin/cli/skip-apply.c \
	plugin/cli/skip.c \
	plugin/cli/skip.h \
	plugin/cli/tap.c \
	plugin/cli/terminal.c \
	plugin/cli/terminal.h \
	plugin/cli/top-history.c \
	plugin/cli/top-history.h \
	plugin/cli/top-screen.c \
	plugin/cli/top.c \
	plugin/cli/top.h \
	plugin/cli/try-bench-calls.c \
	plugin/cli/try-bench-internal.h \
	plugin/cli/try-bench.c \
	plugin/cli/try-bench.h \
	plugin/cli/try-calls.c \
	plugin/cli/try-calls.h \
	plugin/cli/try-curve.c \
	plugin/cli/try-curve.h \
	plugin/cli/try-edge.c \
	plugin/cli/try-find.c \
	plugin/cli/try-find.h \
	plugin/cli/try-internal.h \
	plugin/cli/try-lines.c \
	plugin/cli/try-lines.h \
	plugin/cli/try-print.c \
	plugin/cli/try-print.h \
	plugin/cli/try-record.c \
	plugin/cli/try-record.h \
	plugin/cli/try-run.c \
	plugin/cli/try-sample.c \
	plugin/cli/try-sample.h \
	plugin/cli/try-search.c \
	plugin/cli/try-search.h \
	plugin/cli/try-wait.c \
	plugin/cli/try-wait.h \
	plugin/cli/try.c \
	plugin/cli/try.h \
	plugin/cli/version.c \
	plugin/cli/words.c

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = plugin/cli/completion/kabridge
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = plugin/cli/completion/_kabridge

# The projects that `kabridge new` makes, as C strings: {"path", "text"}, each.
PROJECT_C = NAME.c:@NAME@.c NAME.conf:@NAME@.conf Makefile:Makefile \
	README.md:README.md gitignore:.gitignore \
	records.txt:test/records.txt expected.txt:test/expected.txt
PROJECT_PY = NAME.py:@NAME@.py NAME.conf:@NAME@.conf Makefile:Makefile \
	README.md:README.md gitignore:.gitignore \
	records.txt:test/records.txt expected.txt:test/expected.txt
TEMPLATES = plugin/cli/template-c.inc plugin/cli/template-python.inc \
	plugin/cli/demo-python.inc
nodist_kabridge_SOURCES = $(TEMPLATES)
EXTRA_DIST += plugin/cli/template-c plugin/cli/template-python \
	plugin/cli/demo-python
BUILT_SOURCES += $(TEMPLATES)
CLEANFILES += $(TEMPLATES)
WRITE_TEMPLATE = $(MKDIR_P) plugin/cli && for file in $$files; do \
	    echo "{\"$${file\#*:}\","; \
	    sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' \
	        $(top_srcdir)/$(@:.inc=)/$${file%%:*}; \
	    echo '},'; \
	done >$@.tmp && mv $@.tmp $@
plugin/cli/template-c.inc: $(top_srcdir)/plugin/cli/template-c/*
	$(AM_V_GEN)files='$(PROJECT_C)'; $(WRITE_TEMPLATE)
plugin/cli/template-python.inc: $(top_srcdir)/plugin/cli/template-python/*
	$(AM_V_GEN)files='$(PROJECT_PY)'; $(WRITE_TEMPLATE)
plugin/cli/demo-python.inc: $(top_srcdir)/plugin/cli/demo-python/*
	$(AM_V_GEN)files=mood.py:mood.py; $(WRITE_TEMPLATE)
