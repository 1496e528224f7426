/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, CHUNK_BYTES = 32 * 1024 };

struct SqlChunk {
    SqlChunk *next;
    size_t size;
    _Alignas(ALIGNMENT) char data[];
};

void *
sql_alloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static void
add_chunk(SqlArena *arena, size_t size)
{
    if (size < CHUNK_BYTES)
        size = CHUNK_BYTES;
    SqlChunk *chunk = sql_alloc(sizeof *chunk + size);
    chunk->next = arena->chunks;
    chunk->size = size;
    arena->chunks = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + size;
}

static void *
take_bytes(SqlArena *arena, size_t size, size_t alignment)
{
    size_t skip = -(uintptr_t)arena->at & (alignment - 1);
    size_t left = (size_t)(arena->end - arena->at);
    if (!arena->at || skip > left || size > left - skip) {
        add_chunk(arena, size);
        skip = 0;
    }
    char *memory = arena->at + skip;
    arena->at = memory + size;
    return memory;
}

void *
sql_arena_alloc(SqlArena *arena, size_t size)
{
    return take_bytes(arena, size, ALIGNMENT);
}

char *
sql_arena_dup(SqlArena *arena, const void *data, size_t len)
{
    char *copy = take_bytes(arena, len, 1);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

/* Keeps one chunk of the usual size; frees large ones left by an unusual
 * batch. */
void
sql_arena_reset(SqlArena *arena)
{
    SqlChunk *kept = NULL;
    for (SqlChunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        if (!kept && chunk->size == CHUNK_BYTES)
            kept = chunk;
        else
            free(chunk);
    }
    *arena = (SqlArena){.chunks = kept};
    if (!kept)
        return;
    kept->next = NULL;
    arena->at = kept->data;
    arena->end = kept->data + kept->size;
}

void
sql_arena_clear(SqlArena *arena)
{
    for (SqlChunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *arena = (SqlArena){0};
}
