/* SPDX-License-Identifier: Apache-2.0 */
/* What the errors of produced records mean: one table.
 *
 * librdkafka retries what can be retried by itself; what it reports is final
 * for the record as it was sent. The broker judges a request as a whole, so
 * an error of a request of several records says nothing of any one of them.
 */
#pragma once

#include <glib.h>
#include <librdkafka/rdkafka.h>

#include "types.h"

typedef enum {
    KAB_VERDICT_RECORD,  /* it can never be written */
    KAB_VERDICT_SHRINK,  /* the request was too large: smaller ones */
    KAB_VERDICT_ISOLATE, /* one of the request is bad: one at a time */
    KAB_VERDICT_SINK,    /* the producer is lost; the record may be fine */
    KAB_VERDICT_FENCED,  /* another producer took this one's place */
    KAB_VERDICT_STOP,    /* not authorised, not authenticated */
} KabVerdict;

/* n: how many records the refused request had. Thread: any */
KabVerdict kab_refusal_verdict(rd_kafka_resp_err_t error, size_t n);
/* What a refusal is about, for the command that mends it. Borrowed; NULL: not
 * known. */
typedef struct {
    const char *grant; /* kab_properties_dup_grant() */
    const char *topic, *group, *transactional_id;
} KabRefusalNames;

/* What to do about an error that stops. Returns a new string; NULL: nothing is
 * known. Thread: any */
char *kab_refusal_dup_advice(rd_kafka_resp_err_t error,
                             const KabRefusalNames *names);
/* librdkafka says "authentication" too when the connection breaks while it
 * logs in, and only its text tells the two apart: is this a broker that went
 * away, to be waited for? Thread: any */
bool kab_refusal_is_outage(rd_kafka_resp_err_t error, const char *reason);
/* The event's word for a verdict. Thread: any */
KabRefusal kab_refusal_of(KabVerdict verdict);
