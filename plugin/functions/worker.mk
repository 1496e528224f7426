# SPDX-License-Identifier: Apache-2.0
# The other side of its protocol is python/.
WORKER = \
	plugin/functions/worker-answer.c \
	plugin/functions/worker-blame.c \
	plugin/functions/worker-channel.c \
	plugin/functions/worker-channel.h \
	plugin/functions/worker-dispatch.c \
	plugin/functions/worker-encode.c \
	plugin/functions/worker-encode.h \
	plugin/functions/worker-frame.c \
	plugin/functions/worker-frame.h \
	plugin/functions/worker-internal.h \
	plugin/functions/worker-jobs.c \
	plugin/functions/worker-life.c \
	plugin/functions/worker-log.c \
	plugin/functions/worker-process.c \
	plugin/functions/worker-process.h \
	plugin/functions/worker-result.c \
	plugin/functions/worker-result.h \
	plugin/functions/worker-session.c \
	plugin/functions/worker.c
WORKER_CPPFLAGS = $(API) $(GLIB_CFLAGS) $(JANSSON_CFLAGS) \
	-DKAB_PYTHON_DIR='"$(pkgdatadir)/python"'
module_LTLIBRARIES += worker.la
worker_la_CPPFLAGS = $(WORKER_CPPFLAGS)
worker_la_SOURCES = $(WORKER)
worker_la_LDFLAGS = $(MODULE_LDFLAGS)
worker_la_LIBADD = libkabridge.la $(GLIB_LIBS) $(JANSSON_LIBS) -lpthread
