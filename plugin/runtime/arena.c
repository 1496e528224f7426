/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation in chunks of four sizes. An allocation above a quarter of the
 * largest size gets a chunk of its own, behind the chunk in use.
 */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#include <glib.h>

enum { OWN_CLASS = KAB_CHUNK_CLASSES };

static const size_t class_size[KAB_CHUNK_CLASSES] = {1024, 8 * 1024, 32 * 1024,
                                                     128 * 1024};
static const unsigned class_kept[KAB_CHUNK_CLASSES] = {256, 64, 32, 16};
static const size_t own_limit = 32 * 1024;

/* Allocated on demand; always on exactly one list, an arena's or the pool's. */
struct KabChunk {
    KabChunk *next;
    size_t size;
    unsigned class_;
    _Alignas(KAB_ARENA_ALIGNMENT) char data[];
};

void
kab_chunk_pool_init(KabChunkPool *pool)
{
    *pool = (KabChunkPool){0};
    pthread_mutex_init(&pool->mutex, NULL);
}

void
kab_chunk_pool_clear(KabChunkPool *pool)
{
    for (unsigned c = 0; c < KAB_CHUNK_CLASSES; c++) {
        while (pool->free[c]) {
            KabChunk *chunk = pool->free[c];
            pool->free[c] = chunk->next;
            g_free(chunk);
        }
    }
    pthread_mutex_destroy(&pool->mutex);
}

static KabChunk *
chunk_new(size_t size, unsigned class_)
{
    KabChunk *chunk = g_malloc(sizeof *chunk + size);
    chunk->size = size;
    chunk->class_ = class_;
    return chunk;
}

static KabChunk *
pool_take(KabChunkPool *pool, unsigned class_)
{
    pthread_mutex_lock(&pool->mutex);
    KabChunk *chunk = pool->free[class_];
    if (chunk) {
        pool->free[class_] = chunk->next;
        pool->n_free[class_]--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return chunk ? chunk : chunk_new(class_size[class_], class_);
}

/* Keeps the chunk unless the pool has enough of its size; true if kept. */
static bool
pool_keep(KabChunkPool *pool, KabChunk *chunk)
{
    unsigned class_ = chunk->class_;
    if (class_ == OWN_CLASS || pool->n_free[class_] >= class_kept[class_])
        return false;
    chunk->next = pool->free[class_];
    pool->free[class_] = chunk;
    pool->n_free[class_]++;
    return true;
}

void
kab_arena_init(KabArena *arena, KabChunkPool *pool, size_t size)
{
    unsigned class_ = 0;
    while (class_ < KAB_CHUNK_CLASSES - 1 && class_size[class_] < size)
        class_++;
    *arena = (KabArena){.pool = pool, .next_class = class_};
}

void
kab_arena_clear(KabArena *arena)
{
    KabChunk *chunk = arena->chunks;
    arena->chunks = NULL;
    arena->at = arena->end = NULL;
    if (!chunk)
        return;
    KabChunk *surplus = NULL;
    pthread_mutex_lock(&arena->pool->mutex);
    while (chunk) {
        KabChunk *next = chunk->next;
        if (!pool_keep(arena->pool, chunk)) {
            chunk->next = surplus;
            surplus = chunk;
        }
        chunk = next;
    }
    pthread_mutex_unlock(&arena->pool->mutex);
    while (surplus) {
        KabChunk *next = surplus->next;
        g_free(surplus);
        surplus = next;
    }
}

static void *
alloc_own(KabArena *arena, size_t size)
{
    KabChunk *chunk = chunk_new(size, OWN_CLASS);
    arena->total += size;
    if (arena->chunks) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = NULL;
        arena->chunks = chunk;
    }
    return chunk->data;
}

static void
add_block(KabArena *arena, size_t size)
{
    unsigned class_ = arena->next_class;
    while (class_size[class_] < size)
        class_++;
    KabChunk *chunk = pool_take(arena->pool, class_);
    arena->total += chunk->size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->data;
    arena->end = chunk->data + chunk->size;
    arena->next_class = MIN(class_ + 1, KAB_CHUNK_CLASSES - 1);
}

void *
kab_arena_alloc_anew(KabArena *arena, size_t size)
{
    g_assert(size <= PTRDIFF_MAX / 2);
    if (size > own_limit)
        return alloc_own(arena, size);
    add_block(arena, size);
    void *memory = arena->at;
    arena->at += size;
    return memory;
}

void *
kab_arena_dup(KabArena *arena, const void *data, size_t size)
{
    void *copy = kab_arena_alloc_aligned(arena, size, 1);
    if (size)
        memcpy(copy, data, size);
    return copy;
}

char *
kab_arena_dup_text(KabArena *arena, const char *text, size_t max_len)
{
    size_t len = strnlen(text, max_len + 1);
    if (len > max_len) {
        len = max_len;
        while (len && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
    }
    char *copy = kab_arena_alloc_aligned(arena, len + 1, 1);
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

bool
kab_arena_contains(const KabArena *arena, const void *data, size_t size)
{
    uintptr_t from = (uintptr_t)data;
    for (const KabChunk *c = arena->chunks; c; c = c->next) {
        uintptr_t start = (uintptr_t)c->data;
        if (from >= start && from - start <= c->size &&
            size <= c->size - (from - start))
            return true;
    }
    return false;
}
