/* SPDX-License-Identifier: Apache-2.0 */
#include "batch-keep.h"

#include <string.h>

bool
kab_bytes_lie_in(const KabBytes *inner, const KabBytes *outer)
{
    uintptr_t from = (uintptr_t)inner->data;
    uintptr_t start = (uintptr_t)outer->data;
    return outer->data && from >= start && from - start <= outer->len &&
           inner->len <= outer->len - (from - start);
}

KabBytes
kab_keep_copy(KabTicket *ticket, KabBytes bytes)
{
    if (!bytes.data)
        return (KabBytes){NULL, 0};
    bytes.data = kab_arena_dup(&ticket->arena, bytes.data, bytes.len);
    return bytes;
}

void
kab_keep_other_bytes(KabTicket *ticket,
                     const KabRecord *record,
                     KabBytes *bytes)
{
    if (kab_bytes_lie_in(bytes, &record->value) ||
        kab_bytes_lie_in(bytes, &record->key))
        return;
    if (!bytes->data ||
        !kab_arena_contains(&ticket->arena, bytes->data, bytes->len))
        *bytes = kab_keep_copy(ticket, *bytes);
}

void
kab_keep_headers(KabTicket *ticket, const KabOutput *from, KabOutput *to)
{
    KabArena *arena = &ticket->arena;
    KabHeader *copies =
        kab_arena_alloc(arena, from->n_headers * sizeof *copies);
    for (size_t k = 0; k < from->n_headers; k++) {
        const KabHeader *header = &from->headers[k];
        copies[k].name =
            kab_arena_dup(arena, header->name, strlen(header->name) + 1);
        copies[k].value = kab_keep_copy(ticket, header->value);
    }
    to->headers = copies;
    to->n_headers = from->n_headers;
}
