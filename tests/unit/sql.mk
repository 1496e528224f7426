# SPDX-License-Identifier: Apache-2.0
SQL_TESTS = test-sql-cache test-sql-key test-sql-query
check_PROGRAMS += $(SQL_TESTS)
TESTS += $(SQL_TESTS)
SQL_TEST_CPPFLAGS = $(SQL_CPPFLAGS) -I$(top_srcdir)/tests/support \
	$(CMOCKA_CFLAGS)
SQL_TEST_LIBS = libkab-sql.la libkabridge.la $(CMOCKA_LIBS)

test_sql_cache_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
test_sql_cache_SOURCES = tests/support/kab-test.h tests/unit/test-sql-cache.c
test_sql_cache_LDADD = $(SQL_TEST_LIBS)

test_sql_key_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
test_sql_key_SOURCES = tests/support/kab-test.h tests/unit/test-sql-key.c
test_sql_key_LDADD = $(SQL_TEST_LIBS)

test_sql_query_CPPFLAGS = $(SQL_TEST_CPPFLAGS)
test_sql_query_SOURCES = tests/support/kab-test.h tests/unit/test-sql-query.c
test_sql_query_LDADD = $(SQL_TEST_LIBS)
