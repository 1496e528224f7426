/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct keys of one batch, and the rows found for them.
 *
 * A key has one part, or several if it is composite. Two keys are the same if
 * all of their parts have the same text. Numbers have a canonical text, so 7
 * and 7.0 and "7" are one key. The database decides what equals what; a row
 * goes to each key named by the row's own first columns.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sql-arena.h"

enum { SQL_MAX_PARTS = 16 };

/* Borrowed bytes of one part of a key. */
typedef struct {
    const char *data;
    size_t len;
    bool is_number; /* its text is canonical */
} SqlPart;

/* One row, as the text of a JSON object. */
typedef struct SqlRow SqlRow;
struct SqlRow {
    SqlRow *next;
    const char *json; /* lives as long as the keys or the cache entry */
    size_t len;
};

typedef struct SqlEntry SqlEntry;

typedef struct {
    const char *id; /* identifies the key: its only part, or all parts joined */
    size_t id_len;
    uint64_t hash;
    const SqlPart *parts;
    SqlEntry *entry; /* the cache's answer, held; NULL: not in the cache */
    SqlRow *first, *last;
    uint32_t n_rows;
} SqlKey;

/* Embedded in a call of process(); valid from sql_keys_init() to
 * sql_keys_clear(). */
typedef struct {
    unsigned n_parts;
    uint64_t seed;
    SqlKey *keys;
    size_t n, capacity;
    uint32_t *slots; /* hash table: index of the key plus 1; 0: free */
    size_t n_slots;
    bool has_odd; /* a text is a number, but not canonical */
    SqlArena arena;
} SqlKeys;

void sql_keys_init(SqlKeys *keys, unsigned n_parts, uint64_t seed);
void sql_keys_clear(SqlKeys *keys);
/* Forgets all keys, before a batch of n_records. */
void sql_keys_reset(SqlKeys *keys, size_t n_records);
/* Returns the index of the key with these parts, and adds it if it is new.
 * Borrows the parts' bytes until the next reset. */
uint32_t sql_keys_add(SqlKeys *keys, const SqlPart *parts);
/* Gives a row to each key that matches `parts`, the row's first columns; false:
 * no key matches. Borrows json until the next reset. */
bool sql_keys_give(SqlKeys *keys,
                   const SqlPart *parts,
                   const char *json,
                   size_t len);
/* Makes the text of a number canonical, in the arena if it has to change.
 * False: the text is not a number. */
bool sql_part_set_number(SqlPart *part,
                         SqlArena *arena,
                         const char *text,
                         size_t len);
