/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka properties: our defaults, those we own, and the user's.
 *
 * Order, the later wins: librdkafka's default, our default, [kafka] of the
 * file, consumer.* or producer.* of the binding, what we own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>
#include <librdkafka/rdkafka.h>

typedef enum {
    KAB_CLIENT_CONSUMER = 1,
    KAB_CLIENT_PRODUCER = 2,
    KAB_CLIENT_BOTH = 3,
} KabClientKind;

/* One property that the user gave, without consumer. or producer. in front.
 * Borrowed. */
typedef struct {
    const char *name, *value;
} KabProperty;

/* One row of our defaults. */
typedef struct {
    const char *name, *value;
    KabClientKind clients;
    bool is_owned;   /* the user may not set it */
    const char *why; /* one phrase for the documentation */
} KabClientDefault;

/* The table; *ret_n rows. */
const KabClientDefault *kab_client_defaults(size_t *ret_n);

/* NULL, or why the user may not set it: a sentence. */
const char *kab_property_refusal(const char *name);
/* Does librdkafka (of this run) know the name, and take the value? False
 * with a sentence in *ret_message (owned by the caller): what was found, what
 * is wanted; a nearest known name if it is unknown. The value is not echoed
 * if the name may hold a secret (password, key, secret, token, …). */
bool
kab_property_check(const char *name, const char *value, char **ret_message);
/* Is its value a secret (never printed)? */
bool kab_property_is_secret(const char *name);

/* What a client gets in the end: the value of a property after all layers;
 * NULL: librdkafka's default is in force (and is not known here). */
const char *kab_properties_lookup(KabClientKind kind,
                                  const KabProperty *user,
                                  size_t n_user,
                                  const char *name);
/* Returns a new configuration with all layers applied. Properties of the
 * other kind of client are left out; a default of ours that this librdkafka
 * does not know (fetch.queue.backoff.ms before 2.2) is left out too. The
 * user's list is [kafka] first, then the binding's. */
rd_kafka_conf_t *kab_properties_new_conf(KabClientKind kind,
                                         const KabProperty *user,
                                         size_t n_user,
                                         GError **error);
/* An output must not wait longer than its transaction may last. */
void kab_properties_make_transactional(rd_kafka_conf_t *conf, const char *id);
/* Returns a new string: the beginning of the command that gives the client's
 * user a right at its brokers. */
char *kab_properties_dup_grant(KabClientKind kind,
                               const KabProperty *user,
                               size_t n_user);
/* Its client logs nothing: whoever asks it something says what it failed of. */
void kab_properties_mute(rd_kafka_conf_t *conf);
/* Can a client be made with them? False with librdkafka's sentence in
 * *ret_message (owned by the caller). Values that are wrong alone are
 * kab_property_check()'s: then true. Connects to nothing. */
bool kab_properties_try(KabClientKind kind,
                        const KabProperty *user,
                        size_t n_user,
                        char **ret_message);
/* The same for a producer under exactly once, whose time-outs belong
 * together. */
bool kab_properties_try_transactional(const KabProperty *user,
                                      size_t n_user,
                                      char **ret_message);
