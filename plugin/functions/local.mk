# SPDX-License-Identifier: Apache-2.0
# What several functions share; linked into each.
noinst_LTLIBRARIES += libkab-json.la
libkab_json_la_SOURCES = \
	plugin/functions/support/json-check.c \
	plugin/functions/support/json-internal.h \
	plugin/functions/support/json-put.c \
	plugin/functions/support/json-span.c \
	plugin/functions/support/json-span.h \
	plugin/functions/support/json-text.c

module_LTLIBRARIES += identity.la
identity_la_CPPFLAGS = $(API)
identity_la_SOURCES = plugin/functions/identity.c
identity_la_LDFLAGS = $(MODULE_LDFLAGS)
identity_la_LIBADD = libkabridge.la

module_LTLIBRARIES += delay.la
delay_la_CPPFLAGS = $(API)
delay_la_SOURCES = plugin/functions/delay.c
delay_la_LDFLAGS = $(MODULE_LDFLAGS)
delay_la_LIBADD = libkabridge.la -lpthread

module_LTLIBRARIES += sql.la
SQL_CPPFLAGS = $(API) -I$(srcdir)/plugin/functions \
	-I$(srcdir)/plugin/functions/support $(SQLITE_CFLAGS) $(LIBPQ_CFLAGS)
noinst_LTLIBRARIES += libkab-sql.la
libkab_sql_la_CPPFLAGS = $(SQL_CPPFLAGS)
libkab_sql_la_SOURCES = \
	plugin/functions/sql-arena.c \
	plugin/functions/sql-arena.h \
	plugin/functions/sql-cache.c \
	plugin/functions/sql-cache.h \
	plugin/functions/sql-cancel.c \
	plugin/functions/sql-cancel.h \
	plugin/functions/sql-failure.c \
	plugin/functions/sql-failure.h \
	plugin/functions/sql-join.c \
	plugin/functions/sql-join.h \
	plugin/functions/sql-key.c \
	plugin/functions/sql-key.h \
	plugin/functions/sql-link.h \
	plugin/functions/sql-number.c \
	plugin/functions/sql-number.h \
	plugin/functions/sql-pool.c \
	plugin/functions/sql-pool.h \
	plugin/functions/sql-postgres-run.c \
	plugin/functions/sql-postgres.c \
	plugin/functions/sql-postgres.h \
	plugin/functions/sql-query.c \
	plugin/functions/sql-query.h \
	plugin/functions/sql-row.c \
	plugin/functions/sql-row.h \
	plugin/functions/sql-sqlite.c \
	plugin/functions/sql-text.c \
	plugin/functions/sql-text.h
libkab_sql_la_LIBADD = libkab-json.la $(SQLITE_LIBS) $(LIBPQ_LIBS) -lpthread -lm

sql_la_CPPFLAGS = $(SQL_CPPFLAGS)
sql_la_SOURCES = plugin/functions/sql.c
sql_la_LDFLAGS = $(MODULE_LDFLAGS)
sql_la_LIBADD = libkab-sql.la libkabridge.la

HTTP_CPPFLAGS = $(API) -I$(top_srcdir)/plugin/functions \
	-I$(top_srcdir)/plugin/functions/support $(GLIB_CFLAGS) $(LIBCURL_CFLAGS)
HTTP_LIBS = libkab-http.la libkab-json.la $(GLIB_LIBS) $(LIBCURL_LIBS) \
	-lpthread -lm
HTTP_SOURCES = \
	plugin/functions/http-answer.c \
	plugin/functions/http-answer.h \
	plugin/functions/http-call.c \
	plugin/functions/http-io.c \
	plugin/functions/http-io.h \
	plugin/functions/http-learn.c \
	plugin/functions/http-options.c \
	plugin/functions/http-output.c \
	plugin/functions/http-output.h \
	plugin/functions/http-plan-body.c \
	plugin/functions/http-plan-check.c \
	plugin/functions/http-plan-internal.h \
	plugin/functions/http-plan-tls.c \
	plugin/functions/http-plan.c \
	plugin/functions/http-plan.h \
	plugin/functions/http-poll.c \
	plugin/functions/http-poll.h \
	plugin/functions/http-preset.c \
	plugin/functions/http-preset.h \
	plugin/functions/http-request.c \
	plugin/functions/http-request.h \
	plugin/functions/http-rows.c \
	plugin/functions/http-sign.c \
	plugin/functions/http-sign.h \
	plugin/functions/http-status.c \
	plugin/functions/http-status.h \
	plugin/functions/http-template.c \
	plugin/functions/http-template.h \
	plugin/functions/http-tensor.c \
	plugin/functions/http-tensor.h \
	plugin/functions/http-value.c \
	plugin/functions/http-value.h \
	plugin/functions/http-vector.c \
	plugin/functions/http-verdict.c
EXTRA_DIST += $(HTTP_SOURCES) plugin/functions/http.c

if HAVE_LIBCURL
noinst_LTLIBRARIES += libkab-http.la
libkab_http_la_CPPFLAGS = $(HTTP_CPPFLAGS)
libkab_http_la_SOURCES = $(HTTP_SOURCES)

module_LTLIBRARIES += http.la
http_la_CPPFLAGS = $(HTTP_CPPFLAGS)
http_la_SOURCES = plugin/functions/http.c
http_la_LDFLAGS = $(MODULE_LDFLAGS)
http_la_LIBADD = $(HTTP_LIBS) libkabridge.la
endif
