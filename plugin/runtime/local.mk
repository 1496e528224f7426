# SPDX-License-Identifier: Apache-2.0
noinst_LTLIBRARIES += libkab-runtime.la
libkab_runtime_la_CPPFLAGS = $(RUNTIME)
libkab_runtime_la_SOURCES = \
	plugin/runtime/arena.c \
	plugin/runtime/arena.h \
	plugin/runtime/call.c \
	plugin/runtime/executor.c \
	plugin/runtime/executor.h \
	plugin/runtime/log.c \
	plugin/runtime/log.h \
	plugin/runtime/mailbox.c \
	plugin/runtime/mailbox.h \
	plugin/runtime/ticket.c \
	plugin/runtime/ticket.h
