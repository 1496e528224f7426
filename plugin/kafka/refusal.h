/* SPDX-License-Identifier: Apache-2.0 */
/* What the errors of delivery reports mean: one table.
 *
 * librdkafka retries what can be retried by itself; an error it reports is
 * final for the record as sent. The broker judges a request as a whole, so an
 * error of a request of several records says nothing of any one of them.
 */
#pragma once

#include <glib.h>
#include <librdkafka/rdkafka.h>

#include "types.h"

typedef enum {
    KAB_VERDICT_RECORD,  /* the record can never be written */
    KAB_VERDICT_SHRINK,  /* request too large: send smaller ones */
    KAB_VERDICT_ISOLATE, /* some record is bad: send one at a time */
    KAB_VERDICT_SINK,    /* the producer is lost; the record may be fine */
    KAB_VERDICT_FENCED,  /* another producer took this one's place */
    KAB_VERDICT_STOP,    /* not authorised, not authenticated */
} KabVerdict;

/* n: number of records in the refused request. Thread: any */
KabVerdict kab_refusal_verdict(rd_kafka_resp_err_t error, size_t n);
/* The names to put into the advice on a refusal. Borrowed; NULL: not known. */
typedef struct {
    const char *grant; /* kab_properties_dup_grant() */
    const char *topic, *group, *transactional_id;
    const char *log_in; /* kab_properties_dup_warning() */
} KabRefusalNames;

/* Advice on an error that stops the binding. Returns a new string; NULL: none
 * is known. Thread: any */
char *kab_refusal_dup_advice(rd_kafka_resp_err_t error,
                             const KabRefusalNames *names);
/* Does the error deny access to the group or to the topic? Thread: any */
bool kab_refusal_is_authorisation(rd_kafka_resp_err_t error);
/* librdkafka also reports an authentication failure when the connection breaks
 * during the login, and only the text tells the two apart. Is this a broker
 * that went away, which may come back? Thread: any */
bool kab_refusal_is_outage(rd_kafka_resp_err_t error, const char *reason);
/* The KabRefusal to report for a verdict. Thread: any */
KabRefusal kab_refusal_of(KabVerdict verdict);
