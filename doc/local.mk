# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += doc/kabridge.1 doc/kabridge.conf.5
EXTRA_DIST += \
	doc/adaptive.md \
	doc/coming-from.md \
	doc/deploy.md \
	doc/guarantees.md \
	doc/model-servers.md \
	doc/options.md \
	doc/performance.md \
	doc/performance/exactly-once.svg \
	doc/performance/latency.svg \
	doc/performance/memory.svg \
	doc/performance/pass.svg \
	doc/security.md \
	doc/size.md \
	doc/troubleshooting.md \
	doc/upgrade.md
TESTS += doc/check-docs.sh
dist_check_SCRIPTS += doc/check-docs.sh

# Writes the parts of doc/ that come from the table of options anew.
.PHONY: doc-options
doc-options: kabridge
	top_srcdir='$(top_srcdir)' top_builddir='$(top_builddir)' \
	    $(top_srcdir)/doc/check-docs.sh --write
