/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for the results of an attempt: bump allocation in chunks.
 *
 * An arena only grows, and is cleared as a whole. Its chunks come from a pool
 * of the binding and return to that pool, so a record costs no malloc. The
 * first chunk is as small as the batch allows, because thousands of small
 * batches may be unacknowledged at once.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KAB_CHUNK_CLASSES = 4, KAB_ARENA_ALIGNMENT = 16 };

typedef struct KabChunk KabChunk;

/* Free chunks by size class. Embedded in the executor of a binding; keeps a few
 * chunks per class. Thread: any.
 */
typedef struct {
    pthread_mutex_t mutex;
    KabChunk *free[KAB_CHUNK_CLASSES];
    unsigned n_free[KAB_CHUNK_CLASSES];
} KabChunkPool;

/* Embedded in the owner of the results. One thread at a time. */
typedef struct {
    KabChunkPool *pool; /* borrowed */
    KabChunk *chunks;   /* the one in use first */
    char *at, *end;     /* free part of that chunk */
    unsigned next_class;
    size_t total; /* total size of the chunks */
} KabArena;

void kab_chunk_pool_init(KabChunkPool *pool);
void kab_chunk_pool_clear(KabChunkPool *pool);

/* Prepares for about `size` bytes; allocates nothing yet. */
void kab_arena_init(KabArena *arena, KabChunkPool *pool, size_t size);
/* Returns the chunks to the pool. */
void kab_arena_clear(KabArena *arena);
/* In another chunk than the one in use. Only for kab_arena_alloc*(). */
void *kab_arena_alloc_anew(KabArena *arena, size_t size);

/* Never NULL. Inline, like the next: once or more for each record. */
static inline void *
kab_arena_alloc_aligned(KabArena *arena, size_t size, size_t alignment)
{
    uintptr_t end = (uintptr_t)arena->end; /* aligned for any type */
    uintptr_t from = ((uintptr_t)arena->at + alignment - 1) & -alignment;
    if (size > end - from || (!size && !from))
        return kab_arena_alloc_anew(arena, size);
    arena->at = (char *)from + size;
    return (char *)from;
}

/* Aligned for any type; never NULL. */
static inline void *
kab_arena_alloc(KabArena *arena, size_t size)
{
    return kab_arena_alloc_aligned(arena, size, KAB_ARENA_ALIGNMENT);
}

/* A copy, not aligned; never NULL. */
void *kab_arena_dup(KabArena *arena, const void *data, size_t size);
/* Copies at most max_len bytes, whole UTF-8 characters only, and adds a NUL. */
char *kab_arena_dup_text(KabArena *arena, const char *text, size_t max_len);
/* Do these bytes lie in memory of this arena? */
bool kab_arena_contains(const KabArena *arena, const void *data, size_t size);
