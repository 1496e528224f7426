# SPDX-License-Identifier: Apache-2.0
# A directory that systemd reads under every usual prefix.
systemunitdir = $(prefix)/lib/systemd/system
nodist_systemunit_DATA = packaging/kabridge.service
EXTRA_DIST += packaging/kabridge.service.in packaging/kubernetes.yaml
CLEANFILES += packaging/kabridge.service
packaging/kabridge.service: packaging/kabridge.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && \
	sed -e 's|@bindir[@]|$(bindir)|' \
	    $(top_srcdir)/packaging/kabridge.service.in > $@.tmp && mv $@.tmp $@
