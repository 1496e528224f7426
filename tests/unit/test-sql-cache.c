/* SPDX-License-Identifier: Apache-2.0 */
/* The cache of the function "sql": expiry, size, last use, held entries. */
#include "kab-test.h"

#include <stdio.h>

#include "sql-cache.h"

enum { TTL_US = 1000, MISSING_TTL_US = 100, MAX_BYTES = 64 * 1024 };

typedef struct {
    SqlCache *cache;
    SqlKeys keys;
} Fixture;

static int
set_up(void **state)
{
    static const SqlCacheLimits limits = {TTL_US, MISSING_TTL_US, MAX_BYTES};
    Fixture *fixture = calloc(1, sizeof *fixture);
    fixture->cache = sql_cache_new(&limits);
    sql_keys_init(&fixture->keys, 1, 1);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    Fixture *fixture = *state;
    sql_cache_release(fixture->cache, &fixture->keys);
    sql_cache_free(fixture->cache);
    sql_keys_clear(&fixture->keys);
    free(fixture);
    return 0;
}

/* Looks up the only key of a batch. */
static SqlKey *
ask(Fixture *fixture, const char *text, int64_t now_us)
{
    SqlKeys *keys = &fixture->keys;
    SqlPart part = {.data = text, .len = strlen(text)};
    sql_cache_release(fixture->cache, keys);
    sql_keys_reset(keys, 1);
    sql_keys_add(keys, &part);
    sql_cache_get(fixture->cache, keys, now_us, false);
    return &keys->keys[0];
}

/* The database's answer for that key: n rows of len bytes. */
static void
put(Fixture *fixture, const char *text, unsigned n, size_t len, int64_t now_us)
{
    static const char json[MAX_BYTES];
    ask(fixture, text, INT64_MAX);
    SqlPart part = {.data = text, .len = strlen(text)};
    for (unsigned i = 0; i < n; i++)
        sql_keys_give(&fixture->keys, &part, json, len);
    sql_cache_put(fixture->cache, &fixture->keys, now_us);
}

TEST(rows_are_known_until_their_time_is_over)
{
    Fixture *fixture = *state;
    put(fixture, "a", 2, 10, 0);
    const SqlKey *key = ask(fixture, "a", TTL_US - 1);
    assert_non_null(key->entry);
    assert_non_null(sql_entry_rows(key->entry)->next);
    assert_null(sql_entry_rows(key->entry)->next->next);
    assert_null(ask(fixture, "a", TTL_US)->entry);
}

TEST(that_there_is_no_row_has_a_time_of_its_own)
{
    Fixture *fixture = *state;
    put(fixture, "a", 0, 0, 0);
    const SqlKey *key = ask(fixture, "a", MISSING_TTL_US - 1);
    assert_non_null(key->entry);
    assert_null(sql_entry_rows(key->entry));
    assert_null(ask(fixture, "a", MISSING_TTL_US)->entry);
}

TEST(a_late_row_is_looked_for_again)
{
    Fixture *fixture = *state;
    put(fixture, "a", 0, 0, 0);
    ask(fixture, "a", INT64_MIN);
    sql_cache_release(fixture->cache, &fixture->keys);
    assert_int_equal(sql_cache_get(fixture->cache, &fixture->keys, 1, true), 1);
}

TEST(without_times_there_is_no_cache)
{
    const SqlCacheLimits limits = {0, 0, MAX_BYTES};
    assert_null(sql_cache_new(&limits));
}

TEST(bytes_never_pass_the_limit_and_the_least_recently_used_goes)
{
    Fixture *fixture = *state;
    char name[16];
    put(fixture, "first", 1, 1000, 0);
    put(fixture, "second", 1, 1000, 0);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "k%u", i);
        put(fixture, name, 1, 1000, 0);
        assert_non_null(ask(fixture, "first", 1)->entry);
        assert_true(sql_cache_bytes(fixture->cache) <= MAX_BYTES);
    }
    assert_null(ask(fixture, "second", 1)->entry);
    assert_non_null(ask(fixture, name, 1)->entry);
}

TEST(the_table_grows_within_the_limit)
{
    Fixture *fixture = *state;
    char name[16];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "k%u", i);
        put(fixture, name, 0, 0, 0);
        assert_true(sql_cache_bytes(fixture->cache) <= MAX_BYTES);
    }
    assert_non_null(ask(fixture, name, 1)->entry);
}

TEST(what_expires_gives_its_bytes_back)
{
    Fixture *fixture = *state;
    size_t before = sql_cache_bytes(fixture->cache);
    put(fixture, "a", 3, 500, 0);
    assert_true(sql_cache_bytes(fixture->cache) > before + 1500);
    ask(fixture, "a", TTL_US);
    assert_int_equal(sql_cache_bytes(fixture->cache), before);
}

TEST(an_entry_that_is_held_outlives_its_place)
{
    Fixture *fixture = *state;
    put(fixture, "held", 1, 8, 0);
    const SqlEntry *entry = ask(fixture, "held", 1)->entry;
    SqlKeys other;
    SqlPart part = {.data = "held", .len = 4};
    sql_keys_init(&other, 1, 1);
    sql_keys_reset(&other, 1);
    sql_keys_add(&other, &part);
    assert_int_equal(sql_cache_get(fixture->cache, &other, TTL_US, false), 1);
    assert_int_equal(sql_entry_rows(entry)->len, 8);
    assert_int_equal(sql_entry_rows(entry)->json[7], 0);
    sql_keys_clear(&other);
}

TEST(an_entry_larger_than_half_of_it_is_not_kept)
{
    Fixture *fixture = *state;
    put(fixture, "large", 1, MAX_BYTES / 2, 0);
    assert_null(ask(fixture, "large", 1)->entry);
}

#define CACHE_TEST(name)                                                       \
    cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(rows_are_known_until_their_time_is_over),
        CACHE_TEST(that_there_is_no_row_has_a_time_of_its_own),
        CACHE_TEST(a_late_row_is_looked_for_again),
        cmocka_unit_test(without_times_there_is_no_cache),
        CACHE_TEST(bytes_never_pass_the_limit_and_the_least_recently_used_goes),
        CACHE_TEST(the_table_grows_within_the_limit),
        CACHE_TEST(what_expires_gives_its_bytes_back),
        CACHE_TEST(an_entry_that_is_held_outlives_its_place),
        CACHE_TEST(an_entry_larger_than_half_of_it_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
