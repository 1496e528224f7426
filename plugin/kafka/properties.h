/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of librdkafka: our defaults, those we own, and the user's.
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

/* One property the user gave, without the prefix consumer. or producer.
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

/* The table of our defaults; *ret_n rows. Static. */
const KabClientDefault *kab_client_defaults(size_t *ret_n);

/* NULL: the user may set it. Otherwise a sentence that says why not. */
const char *kab_property_refusal(const char *name);
/* Is this the value to which the bridge sets an owned property anyway? */
bool kab_property_is_set_to(const char *name, const char *value);
/* Does this librdkafka know the name and accept the value? False with a
 * sentence in *ret_message (owned by the caller): what was found and what is
 * expected; for an unknown name, the nearest known one. The value is not
 * echoed if the name may hold a secret (password, key, secret, token, …). */
bool
kab_property_check(const char *name, const char *value, char **ret_message);
/* Is the value a secret (never printed)? */
bool kab_property_is_secret(const char *name);

/* The value of a property after all layers are applied; NULL: librdkafka's
 * default applies (its value is not known here). */
const char *kab_properties_lookup(KabClientKind kind,
                                  const KabProperty *user,
                                  size_t n_user,
                                  const char *name);
/* Returns a new configuration with all layers applied. Properties of the other
 * kind of client are left out, and so is a default of ours that this
 * librdkafka does not know (fetch.queue.backoff.ms before 2.2). user: [kafka]
 * first, then the binding's. */
rd_kafka_conf_t *kab_properties_new_conf(KabClientKind kind,
                                         const KabProperty *user,
                                         size_t n_user,
                                         GError **error);
/* Sets the transactional id and the time-outs that go with it: a message must
 * not wait longer than its transaction may last. */
void kab_properties_make_transactional(rd_kafka_conf_t *conf, const char *id);
/* Returns a new string: the beginning of the kafka-acls.sh command that grants
 * a right to the client's user. */
char *kab_properties_dup_grant(KabClientKind kind,
                               const KabProperty *user,
                               size_t n_user);
/* Silences the client's log, for clients whose caller reports the errors
 * itself. */
void kab_properties_mute(rd_kafka_conf_t *conf);
/* Can a client be created from this configuration? Only then does librdkafka
 * check properties that contradict each other, and files they name. Takes
 * conf; false with librdkafka's sentence in *ret_message. Connects to
 * nothing. */
bool kab_properties_accept(rd_kafka_conf_t *conf,
                           KabClientKind kind,
                           char **ret_message);
/* Can a client be created with these properties? False with librdkafka's
 * sentence in *ret_message (owned by the caller). True also if a value is
 * wrong by itself, which kab_property_check() reports. Connects to nothing. */
bool kab_properties_try(KabClientKind kind,
                        const KabProperty *user,
                        size_t n_user,
                        char **ret_message);
/* kab_properties_try() for an exactly-once producer, whose time-outs depend on
 * each other. */
bool kab_properties_try_transactional(const KabProperty *user,
                                      size_t n_user,
                                      char **ret_message);
/* Do the properties ask for something this librdkafka does badly? Returns a
 * new sentence, or NULL. */
char *kab_properties_dup_warning(KabClientKind kind,
                                 const KabProperty *user,
                                 size_t n_user);
