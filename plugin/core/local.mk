# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-core.la
libkab_core_la_CPPFLAGS = $(CORE)
libkab_core_la_SOURCES = \
	plugin/core/counters.h \
	plugin/core/engine.h \
	plugin/core/types.h
