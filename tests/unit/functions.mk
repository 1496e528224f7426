# SPDX-License-Identifier: Apache-2.0
# What the functions that ship share.
check_PROGRAMS += test-json
TESTS += test-json
test_json_CPPFLAGS = -I$(top_srcdir)/plugin/functions/support \
	-I$(top_srcdir)/tests/support $(CMOCKA_CFLAGS)
test_json_SOURCES = tests/support/kab-test.h tests/unit/test-json.c
test_json_LDADD = libkab-json.la $(CMOCKA_LIBS)

EXTRA_DIST += tests/unit/test-http.c
if HAVE_LIBCURL
check_PROGRAMS += test-http
TESTS += test-http
test_http_CPPFLAGS = $(HTTP_CPPFLAGS) -I$(top_srcdir)/tests/support \
	$(CMOCKA_CFLAGS)
test_http_SOURCES = tests/unit/test-http.c
test_http_LDADD = $(HTTP_LIBS) libkabridge.la $(CMOCKA_LIBS)
endif
