/* SPDX-License-Identifier: Apache-2.0 */
/* The function "sql": :keys in a query, and what errors mean. */
#include "kab-test.h"

#include <sqlite3.h>

#include "sql-failure.h"
#include "sql-query.h"

static void
expands(const char *query, SqlDialect dialect, unsigned n, const char *wanted)
{
    char why[256];
    char *expanded = sql_query_expand(query, dialect, n, why, sizeof why);
    assert_string_equal(why, "");
    assert_string_equal(expanded, wanted);
    free(expanded);
}

static void
refuses(const char *query, SqlDialect dialect, unsigned n, const char *found)
{
    char why[256];
    assert_null(sql_query_expand(query, dialect, n, why, sizeof why));
    assert_non_null(strstr(why, found));
}

TEST(keys_in_a_list_become_what_the_database_takes)
{
    expands("SELECT * FROM t WHERE id IN (:keys)", SQL_SQLITE, 1,
            "SELECT * FROM t WHERE id IN (SELECT value FROM json_each(?2))");
    expands("SELECT * FROM t WHERE id in ( :keys ) AND x", SQL_POSTGRES, 1,
            "SELECT * FROM t WHERE id = ANY ($1) AND x");
    expands("SELECT * FROM t WHERE id = ANY(:keys)", SQL_POSTGRES, 1,
            "SELECT * FROM t WHERE id = ANY($1)");
    expands("SELECT * FROM t, json_each(:keys) k WHERE t.id = k.value",
            SQL_SQLITE, 1,
            "SELECT * FROM t, json_each(?1) k WHERE t.id = k.value");
}

TEST(composite_keys_are_compared_column_by_column_and_as_pairs)
{
    expands("SELECT * FROM t WHERE (a, b) IN (:keys)", SQL_SQLITE, 2,
            "SELECT * FROM t WHERE (a, b) IN (SELECT value ->> 0, value ->> 1 "
            "FROM json_each(?2))");
    expands("SELECT * FROM t WHERE (a, f(b, ')')) IN (:keys)", SQL_POSTGRES, 2,
            "SELECT * FROM t WHERE ((a) = ANY ($1) AND ( f(b, ')')) = ANY "
            "($2) AND (a, f(b, ')')) IN (SELECT * FROM unnest($1, $2)))");
    expands("SELECT * FROM unnest(:keys) k", SQL_POSTGRES, 2,
            "SELECT * FROM unnest($1, $2) k");
}

TEST(quoted_text_and_comments_are_left_alone)
{
    expands("SELECT ':keys', \"a:keys\" /* :keys ; */ -- :keys\n"
            "FROM t WHERE id IN (:keys)",
            SQL_POSTGRES, 1,
            "SELECT ':keys', \"a:keys\" /* :keys ; */ -- :keys\n"
            "FROM t WHERE id = ANY ($1)");
    expands("SELECT a$1 FROM t WHERE id IN (:keys)", SQL_POSTGRES, 1,
            "SELECT a$1 FROM t WHERE id = ANY ($1)");
    expands("SELECT $q$ :keys $q$, a::keys, ':' || 'it''s' FROM t WHERE i IN "
            "(:keys)",
            SQL_POSTGRES, 1,
            "SELECT $q$ :keys $q$, a::keys, ':' || 'it''s' FROM t WHERE i "
            "= ANY ($1)");
}

TEST(one_statement_is_wanted_and_its_semicolon_goes)
{
    expands("SELECT 1 WHERE a IN (:keys) ; -- done", SQL_POSTGRES, 1,
            "SELECT 1 WHERE a = ANY ($1) ");
    refuses("SELECT 1 WHERE a IN (:keys); DROP TABLE t", SQL_POSTGRES, 1,
            "after a semicolon");
}

TEST(a_query_that_does_not_fit_the_key_is_refused)
{
    refuses("SELECT * FROM t", SQL_SQLITE, 1, "no :keys");
    refuses("SELECT * FROM t WHERE a IN (:keys) AND b = ?", SQL_SQLITE, 1,
            "a parameter that is not :keys");
    refuses("SELECT a FROM t WHERE a IN (:keys) AND b = $2", SQL_POSTGRES, 1,
            "a parameter that is not :keys");
    refuses("SELECT * FROM t WHERE a = ':keys'", SQL_SQLITE, 1, "no :keys");
    refuses("SELECT * FROM t WHERE a IN (:keys)", SQL_POSTGRES, 2,
            "one column before IN");
    refuses("SELECT * FROM t WHERE (a, b, c) IN (:keys)", SQL_POSTGRES, 2,
            "another number of columns");
}

TEST(a_sqlstate_says_what_becomes_of_the_batch)
{
    static const struct {
        const char *state;
        KabFailure class_;
    } wanted[] = {
        {"08006", KAB_FAIL_TRANSIENT}, {"57P01", KAB_FAIL_TRANSIENT},
        {"57P02", KAB_FAIL_TRANSIENT}, {"40001", KAB_FAIL_TRANSIENT},
        {"40P01", KAB_FAIL_TRANSIENT}, {"55P03", KAB_FAIL_TRANSIENT},
        {"57014", KAB_FAIL_TRANSIENT}, {"XX000", KAB_FAIL_TRANSIENT},
        {"53300", KAB_FAIL_OVERLOAD},  {"57P03", KAB_FAIL_OVERLOAD},
        {"28P01", KAB_FAIL_FATAL},     {"42P01", KAB_FAIL_FATAL},
        {"3D000", KAB_FAIL_FATAL},     {"25006", KAB_FAIL_FATAL},
        {"22P02", KAB_FAIL_PERMANENT}, {"21000", KAB_FAIL_PERMANENT},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(sql_state_class(wanted[i].state), wanted[i].class_);
    assert_int_equal(sql_state_class(NULL), KAB_FAIL_TRANSIENT);
}

TEST(the_state_of_a_refused_connection_is_in_its_message)
{
    char found[6];
    assert_true(sql_state_find("connection to server at \"db\", port 5432 "
                               "failed: FATAL:  28P01: password "
                               "authentication failed for user \"x\"\n",
                               found));
    assert_string_equal(found, "28P01");
    assert_false(sql_state_find("connection to server failed: Connection "
                                "refused\n\tIs the server running?",
                                found));
}

TEST(only_data_errors_hide_their_words)
{
    assert_true(sql_state_is_about_data("22P02"));
    assert_false(sql_state_is_about_data("42601"));
}

TEST(a_result_code_of_sqlite_says_what_becomes_of_the_batch)
{
    assert_int_equal(sql_sqlite_class(SQLITE_BUSY, true), KAB_FAIL_TRANSIENT);
    assert_int_equal(sql_sqlite_class(SQLITE_IOERR_READ, true),
                     KAB_FAIL_TRANSIENT);
    assert_int_equal(sql_sqlite_class(SQLITE_CANTOPEN, false),
                     KAB_FAIL_OVERLOAD);
    assert_int_equal(sql_sqlite_class(SQLITE_ERROR, false), KAB_FAIL_FATAL);
    assert_int_equal(sql_sqlite_class(SQLITE_ERROR, true), KAB_FAIL_PERMANENT);
    assert_int_equal(sql_sqlite_class(SQLITE_READONLY, true), KAB_FAIL_FATAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_in_a_list_become_what_the_database_takes),
        cmocka_unit_test(
            composite_keys_are_compared_column_by_column_and_as_pairs),
        cmocka_unit_test(quoted_text_and_comments_are_left_alone),
        cmocka_unit_test(one_statement_is_wanted_and_its_semicolon_goes),
        cmocka_unit_test(a_query_that_does_not_fit_the_key_is_refused),
        cmocka_unit_test(a_sqlstate_says_what_becomes_of_the_batch),
        cmocka_unit_test(the_state_of_a_refused_connection_is_in_its_message),
        cmocka_unit_test(only_data_errors_hide_their_words),
        cmocka_unit_test(
            a_result_code_of_sqlite_says_what_becomes_of_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
