# SPDX-License-Identifier: Apache-2.0
# A directory that systemd reads under every usual prefix.
systemunitdir = $(prefix)/lib/systemd/system
nodist_systemunit_DATA = packaging/kabridge.service
EXTRA_DIST += \
	packaging/debian/changelog \
	packaging/debian/control \
	packaging/debian/copyright \
	packaging/debian/kabridge.install \
	packaging/debian/libkabridge-dev.install \
	packaging/debian/libkabridge0.install \
	packaging/debian/python3-kabridge.install \
	packaging/debian/python3-kabridge.links \
	packaging/debian/rules \
	packaging/debian/source/format \
	packaging/grafana/kabridge.json \
	packaging/kabridge.service.in \
	packaging/kubernetes/exactly-once.yaml \
	packaging/kubernetes/hpa.yaml \
	packaging/kubernetes/kabridge.yaml \
	packaging/kubernetes/keda.yaml \
	packaging/prometheus/kabridge.rules.yaml
CLEANFILES += packaging/kabridge.service
packaging/kabridge.service: packaging/kabridge.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && \
	sed -e 's|@bindir[@]|$(bindir)|' \
	    $(top_srcdir)/packaging/kabridge.service.in > $@.tmp && mv $@.tmp $@
