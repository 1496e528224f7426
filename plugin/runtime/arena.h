/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that an attempt's results live in: bump allocation in chunks.
 *
 * An arena only grows and is cleared as a whole. Its chunks come from a pool
 * of the binding and go back there, so a record costs no malloc. The first
 * chunk is as small as the batch allows: thousands of small batches may be
 * unacknowledged at once.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { KAB_CHUNK_CLASSES = 4 };

typedef struct KabChunk KabChunk;

/* Free chunks by size class. Embedded in the executor of a binding; a few
 * chunks a class are kept. Thread: any.
 */
typedef struct {
    pthread_mutex_t mutex;
    KabChunk *free[KAB_CHUNK_CLASSES];
    unsigned n_free[KAB_CHUNK_CLASSES];
} KabChunkPool;

/* Embedded in what owns the results. One thread at a time. */
typedef struct {
    KabChunkPool *pool; /* borrowed */
    KabChunk *chunks;   /* the one in use first */
    char *at, *end;     /* what is left of it */
    unsigned next_class;
} KabArena;

void kab_chunk_pool_init(KabChunkPool *pool);
void kab_chunk_pool_clear(KabChunkPool *pool);

/* Expects about `size` bytes; allocates nothing yet. */
void kab_arena_init(KabArena *arena, KabChunkPool *pool, size_t size);
/* Gives the chunks back. */
void kab_arena_clear(KabArena *arena);
/* Aligned for any type; never NULL. */
void *kab_arena_alloc(KabArena *arena, size_t size);
/* A copy, not aligned; never NULL. */
void *kab_arena_dup(KabArena *arena, const void *data, size_t size);
/* Of at most max_len bytes, whole UTF-8 characters, NUL-terminated. */
char *kab_arena_dup_text(KabArena *arena, const char *text, size_t max_len);
/* Do these bytes lie in memory the arena gave out? */
bool kab_arena_contains(const KabArena *arena, const void *data, size_t size);
