/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is freed all at once: the keys and rows of one batch.
 *
 * Belongs to one call of process() at a time and is reused by the next, so a
 * record costs no malloc().
 */
#pragma once

#include <stddef.h>

typedef struct SqlChunk SqlChunk;

/* Embedded; all zero is a valid, empty one. */
typedef struct {
    SqlChunk *chunks; /* the one in use first */
    char *at, *end;   /* free part of that chunk */
} SqlArena;

/* Never NULL: out of memory, the process aborts. */
void *sql_alloc(size_t size);

/* Aligned for any type; never NULL. */
void *sql_arena_alloc(SqlArena *arena, size_t size);
/* A copy, not aligned; never NULL. */
char *sql_arena_dup(SqlArena *arena, const void *data, size_t len);
/* Frees everything but one chunk. */
void sql_arena_reset(SqlArena *arena);
void sql_arena_clear(SqlArena *arena);
