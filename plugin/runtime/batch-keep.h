/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the bytes of an output when the function gives it: borrowed
 * from the record or the ticket's arena, or copied there. For batch.c.
 */
#pragma once

#include <string.h>

#include "ticket.h"

/* The inner bytes are some of the outer ones. */
bool kab_bytes_lie_in(const KabBytes *inner, const KabBytes *outer);
KabBytes kab_keep_copy(KabTicket *ticket, KabBytes bytes);
void kab_keep_headers(KabTicket *ticket, const KabOutput *from, KabOutput *to);
/* Only for kab_keep_bytes(). */
void kab_keep_other_bytes(KabTicket *ticket,
                          const KabRecord *record,
                          KabBytes *bytes);

static inline bool
kab_bytes_begin(const KabBytes *whole, const KabBytes *part)
{
    return part->data == whole->data && part->len <= whole->len;
}

/* Borrows only bytes that live as long as the output: bytes of the record
 * itself, which its message keeps alive, and of the arena. Bytes of another
 * record of the batch may be freed earlier, so they are copied. `likely` are
 * those of the record that they probably are. */
static inline void
kab_keep_bytes(KabTicket *ticket,
               const KabRecord *record,
               const KabBytes *likely,
               KabBytes *ret_kept,
               KabBytes bytes)
{
    ret_kept->data = bytes.data;
    ret_kept->len = bytes.len;
    if (!kab_bytes_begin(likely, &bytes))
        kab_keep_other_bytes(ticket, record, ret_kept);
}

/* What an output takes beside its record: librdkafka copies each key; a value
 * that is the record's own is there already. */
static inline size_t
kab_keep_measure(const KabOutput *output, const KabRecord *record)
{
    size_t bytes = output->key.len;
    if (!kab_bytes_begin(&record->value, &output->value) &&
        !kab_bytes_lie_in(&output->value, &record->value))
        bytes += output->value.len;
    for (size_t k = 0; k < output->n_headers; k++)
        bytes += sizeof(KabHeader) + strlen(output->headers[k].name) + 1 +
                 output->headers[k].value.len;
    return bytes;
}
