/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One allocation: after the struct come its rows, its key and the rows'
 * text. */
struct SqlEntry {
    SqlEntry *next;          /* next in its bucket */
    SqlEntry *newer, *older; /* neighbours by last use */
    uint64_t hash;
    int64_t expires_us;
    size_t size; /* size of the allocation */
    size_t id_len;
    uint32_t n_rows;
    uint32_t n_held; /* number of batches that hold it */
    bool is_listed;  /* in the table and counted in its size */
    SqlRow rows[];
};

struct SqlCache {
    SqlCacheLimits limits;
    pthread_mutex_t mutex; /* guards the fields below */
    SqlEntry **buckets;
    size_t n_buckets, n_entries;
    size_t n_bytes;
    SqlEntry *newest, *oldest;
};

enum { FIRST_BUCKETS = 256 };

SqlCache *
sql_cache_new(const SqlCacheLimits *limits)
{
    bool keeps = limits->ttl_us > 0 || limits->missing_ttl_us > 0;
    if (!keeps || !limits->max_bytes)
        return NULL;
    SqlCache *cache = sql_alloc(sizeof *cache);
    size_t size = FIRST_BUCKETS * sizeof *cache->buckets;
    *cache = (SqlCache){.limits = *limits,
                        .buckets = sql_alloc(size),
                        .n_buckets = FIRST_BUCKETS,
                        .n_bytes = size};
    memset(cache->buckets, 0, size);
    pthread_mutex_init(&cache->mutex, NULL);
    return cache;
}

void
sql_cache_free(SqlCache *cache)
{
    if (!cache)
        return;
    for (SqlEntry *entry = cache->newest, *older; entry; entry = older) {
        older = entry->older;
        free(entry);
    }
    free(cache->buckets);
    pthread_mutex_destroy(&cache->mutex);
    free(cache);
}

/* --- Table and list, with the mutex ------------------------------------ */

static SqlEntry **
find_bucket(const SqlCache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->n_buckets - 1)];
}

static const char *
entry_id(const SqlEntry *entry)
{
    return (const char *)(entry->rows + entry->n_rows);
}

static SqlEntry *
find_entry(const SqlCache *cache, const SqlKey *key)
{
    SqlEntry *entry = *find_bucket(cache, key->hash);
    while (entry &&
           !(entry->hash == key->hash && entry->id_len == key->id_len &&
             memcmp(entry_id(entry), key->id, key->id_len) == 0))
        entry = entry->next;
    return entry;
}

static void
list_entry(SqlCache *cache, SqlEntry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    if (cache->newest)
        cache->newest->newer = entry;
    else
        cache->oldest = entry;
    cache->newest = entry;
}

static void
unlist_entry(SqlCache *cache, SqlEntry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        cache->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        cache->oldest = entry->newer;
}

static void
touch_entry(SqlCache *cache, SqlEntry *entry)
{
    if (cache->newest == entry)
        return;
    unlist_entry(cache, entry);
    list_entry(cache, entry);
}

/* Removes the entry from the table; its last holder frees it. */
static void
remove_entry(SqlCache *cache, SqlEntry *entry)
{
    SqlEntry **at = find_bucket(cache, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    unlist_entry(cache, entry);
    cache->n_entries--;
    cache->n_bytes -= entry->size;
    entry->is_listed = false;
    if (!entry->n_held)
        free(entry);
}

/* Doubles the buckets once there are as many entries, unless the table would
 * then exceed a quarter of the limit. */
static void
grow_table(SqlCache *cache)
{
    size_t old_size = cache->n_buckets * sizeof *cache->buckets;
    if (cache->n_entries < cache->n_buckets ||
        old_size > cache->limits.max_bytes / 8)
        return;
    SqlEntry **old = cache->buckets;
    size_t n_old = cache->n_buckets;
    cache->n_buckets *= 2;
    cache->buckets = sql_alloc(2 * old_size);
    memset(cache->buckets, 0, 2 * old_size);
    cache->n_bytes += old_size;
    for (size_t b = 0; b < n_old; b++) {
        for (SqlEntry *entry = old[b], *next; entry; entry = next) {
            next = entry->next;
            SqlEntry **bucket = find_bucket(cache, entry->hash);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
}

static void
evict_entries(SqlCache *cache)
{
    while (cache->oldest && cache->n_bytes > cache->limits.max_bytes)
        remove_entry(cache, cache->oldest);
}

/* --- Get --------------------------------------------------------------- */

static SqlEntry *
hold_entry(SqlCache *cache,
           const SqlKey *key,
           int64_t now_us,
           bool skips_missing)
{
    SqlEntry *entry = find_entry(cache, key);
    if (!entry || (skips_missing && !entry->n_rows))
        return NULL;
    if (entry->expires_us <= now_us) {
        remove_entry(cache, entry);
        return NULL;
    }
    touch_entry(cache, entry);
    entry->n_held++;
    return entry;
}

size_t
sql_cache_get(SqlCache *cache,
              SqlKeys *keys,
              int64_t now_us,
              bool skips_missing)
{
    if (!cache)
        return keys->n;
    size_t n_unknown = 0;
    pthread_mutex_lock(&cache->mutex);
    for (size_t k = 0; k < keys->n; k++) {
        SqlKey *key = &keys->keys[k];
        key->entry = hold_entry(cache, key, now_us, skips_missing);
        n_unknown += !key->entry;
    }
    pthread_mutex_unlock(&cache->mutex);
    return n_unknown;
}

void
sql_cache_release(SqlCache *cache, SqlKeys *keys)
{
    if (!cache)
        return;
    pthread_mutex_lock(&cache->mutex);
    for (size_t k = 0; k < keys->n; k++) {
        SqlEntry *entry = keys->keys[k].entry;
        keys->keys[k].entry = NULL;
        if (entry && --entry->n_held == 0 && !entry->is_listed)
            free(entry);
    }
    pthread_mutex_unlock(&cache->mutex);
}

/* --- Put --------------------------------------------------------------- */

static size_t
size_of_entry(const SqlKey *key)
{
    size_t size = sizeof(SqlEntry) + key->id_len;
    for (const SqlRow *row = key->first; row; row = row->next)
        size += sizeof *row + row->len;
    return size;
}

static SqlEntry *
make_entry(const SqlKey *key, size_t size, int64_t expires_us)
{
    SqlEntry *entry = sql_alloc(size);
    *entry = (SqlEntry){.hash = key->hash,
                        .expires_us = expires_us,
                        .size = size,
                        .id_len = key->id_len,
                        .n_rows = key->n_rows,
                        .is_listed = true};
    char *at = (char *)(entry->rows + entry->n_rows);
    memcpy(at, key->id, key->id_len);
    at += key->id_len;
    SqlRow *to = entry->rows;
    for (const SqlRow *row = key->first; row; row = row->next, to++) {
        memcpy(at, row->json, row->len);
        *to = (SqlRow){
            .next = row->next ? to + 1 : NULL, .json = at, .len = row->len};
        at += row->len;
    }
    return entry;
}

static void
put_key(SqlCache *cache, const SqlKey *key, int64_t now_us)
{
    int64_t ttl_us =
        key->n_rows ? cache->limits.ttl_us : cache->limits.missing_ttl_us;
    size_t size = size_of_entry(key);
    if (ttl_us <= 0 || size > cache->limits.max_bytes / 2)
        return;
    SqlEntry *old = find_entry(cache, key);
    if (old)
        remove_entry(cache, old);
    grow_table(cache);
    SqlEntry *entry = make_entry(key, size, now_us + ttl_us);
    SqlEntry **bucket = find_bucket(cache, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    list_entry(cache, entry);
    cache->n_entries++;
    cache->n_bytes += size;
    evict_entries(cache);
}

void
sql_cache_put(SqlCache *cache, const SqlKeys *keys, int64_t now_us)
{
    if (!cache)
        return;
    pthread_mutex_lock(&cache->mutex);
    for (size_t k = 0; k < keys->n; k++)
        if (!keys->keys[k].entry)
            put_key(cache, &keys->keys[k], now_us);
    pthread_mutex_unlock(&cache->mutex);
}

size_t
sql_cache_bytes(SqlCache *cache)
{
    pthread_mutex_lock(&cache->mutex);
    size_t n_bytes = cache->n_bytes;
    pthread_mutex_unlock(&cache->mutex);
    return n_bytes;
}

const SqlRow *
sql_entry_rows(const SqlEntry *entry)
{
    return entry->n_rows ? entry->rows : NULL;
}
