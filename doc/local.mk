# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += doc/kabridge.1 doc/kabridge.conf.5
EXTRA_DIST += doc/options.md
TESTS += doc/check-docs.sh
dist_check_SCRIPTS += doc/check-docs.sh

# Writes the parts of doc/ that come from the table of options anew.
.PHONY: doc-options
doc-options: kabridge
	top_srcdir='$(top_srcdir)' top_builddir='$(top_builddir)' \
	    $(top_srcdir)/doc/check-docs.sh --write
