/* SPDX-License-Identifier: Apache-2.0 */
/* A small collector of spans, OTLP/HTTP as JSON, that answers as the test tells
 * it. */
#pragma once

#include <pthread.h>

#include <glib.h>
#include <jansson.h>

/* The mutex protects the fields below it. */
typedef struct {
    struct MHD_Daemon *daemon;
    char *url; /* without a path */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    GPtrArray *bodies; /* of the accepted requests */
    unsigned n_refusals, refusal;
    unsigned n_requests;
} Collector;

void collector_start(Collector *collector);
void collector_stop(Collector *collector);
void collector_wait_for_requests(Collector *collector, unsigned n);
/* The spans of all accepted requests. Returns a new array. */
json_t *collector_dup_spans(Collector *collector);
