/* SPDX-License-Identifier: Apache-2.0 */
/* Caches the database's answers by key, for a limited time.
 *
 * An entry holds the rows of one key, or the fact that it has none. Entries are
 * in a hash table and in an LRU list; the least recently used are evicted when
 * the total size reaches the limit. An entry that a batch holds outlives its
 * eviction.
 *
 * One lock; each batch takes it twice, whatever its size. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql-key.h"

typedef struct SqlCache SqlCache;

typedef struct {
    int64_t ttl_us;         /* of rows; 0: rows are not cached */
    int64_t missing_ttl_us; /* of "no row"; 0: that is not cached */
    size_t max_bytes;       /* allocated size of entries and table */
} SqlCacheLimits;

/* Returns a new cache; NULL: with these limits nothing would ever be cached. */
SqlCache *sql_cache_new(const SqlCacheLimits *limits);
void sql_cache_free(SqlCache *cache);
/* Sets the entry of each key found in the cache; returns how many are not. With
 * `skips_missing`, "no row" entries are ignored. */
size_t sql_cache_get(SqlCache *cache,
                     SqlKeys *keys,
                     int64_t now_us,
                     bool skips_missing);
/* Adds what the database returned for the keys without an entry. */
void sql_cache_put(SqlCache *cache, const SqlKeys *keys, int64_t now_us);
/* Releases the entries that the keys hold. */
void sql_cache_release(SqlCache *cache, SqlKeys *keys);
/* Allocated size; above max_bytes only because of held entries. */
size_t sql_cache_bytes(SqlCache *cache);

/* The rows of a held entry. */
const SqlRow *sql_entry_rows(const SqlEntry *entry);
