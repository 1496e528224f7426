# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-ops.la
libkab_ops_la_CPPFLAGS = $(OPS) -I$(top_builddir)
libkab_ops_la_LIBADD = $(MICROHTTPD_LIBS) $(JANSSON_LIBS) $(RDKAFKA_LIBS) \
	$(GLIB_LIBS)
libkab_ops_la_SOURCES = \
	plugin/ops/admin-bridge.c \
	plugin/ops/admin-bridge.h \
	plugin/ops/admin.c \
	plugin/ops/admin.h \
	plugin/ops/metrics-table.h \
	plugin/ops/metrics.c \
	plugin/ops/metrics.h \
	plugin/ops/status.c \
	plugin/ops/status.h
nodist_libkab_ops_la_SOURCES = plugin/ops/page.inc

# The page as a C string.
EXTRA_DIST += plugin/ops/page.html doc/metrics.md
BUILT_SOURCES += plugin/ops/page.inc
CLEANFILES += plugin/ops/page.inc
plugin/ops/page.inc: plugin/ops/page.html
	$(AM_V_GEN)$(MKDIR_P) plugin/ops && \
	sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' \
	    $(top_srcdir)/plugin/ops/page.html > $@.tmp && mv $@.tmp $@

# Writes doc/metrics.md anew; test-metrics says when that is needed.
noinst_PROGRAMS += plugin/ops/list-metrics
plugin_ops_list_metrics_CPPFLAGS = $(OPS)
plugin_ops_list_metrics_SOURCES = plugin/ops/list-metrics.c
plugin_ops_list_metrics_LDADD = libkab-ops.la libkab-core.la
.PHONY: doc-metrics
doc-metrics: plugin/ops/list-metrics
	plugin/ops/list-metrics > $(top_srcdir)/doc/metrics.md
