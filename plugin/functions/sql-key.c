/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over an array of keys; both are reused for each batch. */
#include "sql-key.h"

#include <stdlib.h>
#include <string.h>

#include "sql-number.h"

/* --- Made and forgotten ------------------------------------------------ */

void
sql_keys_init(SqlKeys *keys, unsigned n_parts, uint64_t seed)
{
    *keys = (SqlKeys){.n_parts = n_parts, .seed = seed};
}

void
sql_keys_clear(SqlKeys *keys)
{
    free(keys->keys);
    free(keys->slots);
    sql_arena_clear(&keys->arena);
    *keys = (SqlKeys){0};
}

static void
reserve_keys(SqlKeys *keys, size_t n)
{
    if (keys->capacity >= n)
        return;
    size_t n_slots = 16;
    while (n_slots < 2 * n)
        n_slots *= 2;
    free(keys->keys);
    free(keys->slots);
    keys->keys = sql_alloc(n * sizeof *keys->keys);
    keys->slots = sql_alloc(n_slots * sizeof *keys->slots);
    keys->capacity = n;
    keys->n_slots = n_slots;
}

void
sql_keys_reset(SqlKeys *keys, size_t n_records)
{
    sql_arena_reset(&keys->arena);
    reserve_keys(keys, n_records);
    memset(keys->slots, 0, keys->n_slots * sizeof *keys->slots);
    keys->n = 0;
    keys->has_odd = false;
}

/* --- Parts ------------------------------------------------------------- */

bool
sql_part_set_number(SqlPart *part,
                    SqlArena *arena,
                    const char *text,
                    size_t len)
{
    part->is_number = true;
    if (sql_number_is_plain(text, len)) {
        part->data = text;
        part->len = len;
        return true;
    }
    char *canonical = sql_arena_alloc(arena, SQL_NUMBER_CAPACITY(len));
    part->data = canonical;
    part->len = sql_number_write(text, len, canonical);
    return part->len > 0;
}

static bool
has_text(const SqlPart *part, const char *text, size_t len)
{
    return part->len == len && memcmp(part->data, text, len) == 0;
}

/* Does the text look like a number without being canonical, such as 07, or 7.0
 * in quotes? The database may compare it as a number and answer another
 * text. */
static bool
is_odd(SqlArena *arena, const SqlPart *part)
{
    SqlPart number;
    return !part->is_number && !sql_number_is_plain(part->data, part->len) &&
           sql_part_set_number(&number, arena, part->data, part->len) &&
           !has_text(part, number.data, number.len);
}

/* --- Look-up ----------------------------------------------------------- */

static uint64_t
mix_words(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Hashes eight bytes per step; the seed is random, so that nobody can choose
 * colliding keys. */
static uint64_t
hash_bytes(uint64_t seed, const char *data, size_t len)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t hash = seed ^ mix_words(len + 1, odd);
    uint64_t word;
    for (; len >= sizeof word; len -= sizeof word, data += sizeof word) {
        memcpy(&word, data, sizeof word);
        hash = mix_words(hash ^ word, odd ^ seed);
    }
    word = 0;
    memcpy(&word, data, len);
    return mix_words(hash ^ word, odd ^ (seed >> 1));
}

/* Joins the parts, each preceded by its length, so that different composite
 * keys always differ. */
static char *
join_parts(SqlKeys *keys, const SqlPart *parts, size_t *ret_len)
{
    size_t len = 0;
    for (unsigned p = 0; p < keys->n_parts; p++)
        len += sizeof(uint32_t) + parts[p].len;
    char *id = sql_arena_alloc(&keys->arena, len);
    char *at = id;
    for (unsigned p = 0; p < keys->n_parts; p++) {
        uint32_t part_len = (uint32_t)parts[p].len;
        memcpy(at, &part_len, sizeof part_len);
        memcpy(at + sizeof part_len, parts[p].data, part_len);
        at += sizeof part_len + part_len;
    }
    *ret_len = len;
    return id;
}

static SqlKey
make_key(SqlKeys *keys, const SqlPart *parts)
{
    SqlKey key = {.id = parts[0].data, .id_len = parts[0].len};
    if (keys->n_parts > 1)
        key.id = join_parts(keys, parts, &key.id_len);
    key.hash = hash_bytes(keys->seed, key.id, key.id_len);
    return key;
}

/* The slot of that key, or the free slot where it belongs. */
static uint32_t *
find_slot(const SqlKeys *keys, const SqlKey *wanted)
{
    size_t mask = keys->n_slots - 1;
    for (size_t at = wanted->hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &keys->slots[at];
        if (!*slot)
            return slot;
        const SqlKey *key = &keys->keys[*slot - 1];
        if (key->hash == wanted->hash && key->id_len == wanted->id_len &&
            memcmp(key->id, wanted->id, key->id_len) == 0)
            return slot;
    }
}

uint32_t
sql_keys_add(SqlKeys *keys, const SqlPart *parts)
{
    SqlKey key = make_key(keys, parts);
    uint32_t *slot = find_slot(keys, &key);
    if (*slot)
        return *slot - 1;
    size_t size = keys->n_parts * sizeof *parts;
    SqlPart *kept = sql_arena_alloc(&keys->arena, size);
    memcpy(kept, parts, size);
    key.parts = kept;
    for (unsigned p = 0; p < keys->n_parts; p++)
        keys->has_odd |= is_odd(&keys->arena, &parts[p]);
    keys->keys[keys->n] = key;
    *slot = (uint32_t)++keys->n;
    return *slot - 1;
}

/* --- Rows -------------------------------------------------------------- */

static void
append_row(SqlKeys *keys, SqlKey *key, const char *json, size_t len)
{
    SqlRow *row = sql_arena_alloc(&keys->arena, sizeof *row);
    *row = (SqlRow){.json = json, .len = len};
    if (key->last)
        key->last->next = row;
    else
        key->first = row;
    key->last = row;
    key->n_rows++;
}

static bool
names_part(SqlKeys *keys, const SqlPart *returned, const SqlPart *asked)
{
    if (has_text(asked, returned->data, returned->len))
        return true;
    SqlPart number;
    return returned->is_number && !asked->is_number &&
           sql_part_set_number(&number, &keys->arena, asked->data,
                               asked->len) &&
           has_text(&number, returned->data, returned->len);
}

static bool
names_key(SqlKeys *keys, const SqlPart *returned, const SqlKey *asked)
{
    for (unsigned p = 0; p < keys->n_parts; p++)
        if (!names_part(keys, &returned[p], &asked->parts[p]))
            return false;
    return true;
}

bool
sql_keys_give(SqlKeys *keys, const SqlPart *parts, const char *json, size_t len)
{
    if (!keys->has_odd) {
        SqlKey key = make_key(keys, parts);
        uint32_t slot = *find_slot(keys, &key);
        if (slot && !keys->keys[slot - 1].entry)
            append_row(keys, &keys->keys[slot - 1], json, len);
        return slot != 0;
    }
    bool is_named = false;
    for (size_t k = 0; k < keys->n; k++) {
        SqlKey *key = &keys->keys[k];
        if (!names_key(keys, parts, key))
            continue;
        is_named = true;
        if (!key->entry)
            append_row(keys, key, json, len);
    }
    return is_named;
}
