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
	plugin/ops/status.h \
	plugin/ops/tap-json.c \
	plugin/ops/tap-json.h
nodist_libkab_ops_la_SOURCES = plugin/ops/page.inc

# The page: its parts joined to one file, then to a C string.
PAGE_PARTS = \
	plugin/ops/page/adaptive.js \
	plugin/ops/page/chart.js \
	plugin/ops/page/model.js \
	plugin/ops/page/page.css \
	plugin/ops/page/page.html \
	plugin/ops/page/page.js \
	plugin/ops/page/view.js
EXTRA_DIST += $(PAGE_PARTS) doc/metrics.md
BUILT_SOURCES += plugin/ops/page.inc
CLEANFILES += plugin/ops/page.inc plugin/ops/page.html
plugin/ops/page.html: $(PAGE_PARTS)
	$(AM_V_GEN)$(MKDIR_P) plugin/ops && \
	awk -v from=$(top_srcdir)/plugin/ops/page/ \
	    '/^@include / { while ((getline line < (from $$2)) > 0) print line; \
	     next } { print }' $(top_srcdir)/plugin/ops/page/page.html > $@.tmp && \
	mv $@.tmp $@
plugin/ops/page.inc: plugin/ops/page.html
	$(AM_V_GEN)sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$$/\\n"/' \
	    plugin/ops/page.html > $@.tmp && mv $@.tmp $@

# Writes doc/metrics.md anew; test-metrics says when that is needed.
noinst_PROGRAMS += plugin/ops/list-metrics
plugin_ops_list_metrics_CPPFLAGS = $(OPS)
plugin_ops_list_metrics_SOURCES = plugin/ops/list-metrics.c
plugin_ops_list_metrics_LDADD = libkab-ops.la libkab-runtime.la libkab-core.la
.PHONY: doc-metrics
doc-metrics: plugin/ops/list-metrics
	plugin/ops/list-metrics > $(top_srcdir)/doc/metrics.md
