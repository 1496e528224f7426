/* SPDX-License-Identifier: Apache-2.0 */
/* Takes records, and the errors and events that come among them.
 *
 * Each partition has a queue of its own, and the queues take turns: a
 * partition with a backlog, or behind a closed valve, does not delay the
 * others. No allocation, lock or look-up of ours per record.
 */
#include "source-internal.h"

#include "refusal.h"

/* At least once between half of queued.max.messages.kbytes and empty; as
 * kab_source_wake_records() for queued.min.messages. */
#define WAKE_BYTES (1 << 20)

enum {
    EXPECTED = 4, /* messages ahead */
    RUN = 64,     /* records that the engine is given at once, at most */
};

/* --- Errors of partitions ---------------------------------------------- */

static void
leave_range(KabSource *source, KabToppar *toppar, const rd_kafka_message_t *m)
{
    KabPartition *partition = toppar->partition;
    if (kab_partition_state(partition) != KAB_PARTITION_OWNED)
        return;
    kab_source_log(source, KAB_LOG_ERROR, kab_toppar_place(toppar, m->offset),
                   "%s [%d]: offset %" PRIi64 " is not in its log (any more): "
                   "going on at the beginning (%s)",
                   toppar->topic->name, (int)toppar->number, m->offset,
                   rd_kafka_message_errstr(m));
    toppar->reset_from = MAX(m->offset, 0);
    kab_engine_reset(source->setup.engine, partition, source->now);
}

/* The first record or end of partition after a reset shows the new position. */
static void
land_after_reset(KabSource *source, KabToppar *toppar, int64_t offset)
{
    int64_t from = toppar->reset_from;
    toppar->reset_from = -1;
    if (offset > from)
        source->skipped_ranges++;
    kab_source_log(source, KAB_LOG_ERROR, kab_toppar_place(toppar, offset),
                   "%s [%d]: went on from offset %" PRIi64 " at %" PRIi64
                   ": %s",
                   toppar->topic->name, (int)toppar->number, from, offset,
                   offset > from ? "what was in between is lost to this group"
                                 : "what was done from there on is done again");
}

/* Stop at a damaged record: librdkafka would skip it. */
static void
stop_at_damage(KabSource *source,
               KabToppar *toppar,
               const rd_kafka_message_t *m)
{
    g_autofree char *skip = kab_edge_dup_skip(
        source->setup.edge->binding, kab_toppar_place(toppar, m->offset));
    toppar->is_broken = true;
    kab_source_fail(source,
                    "%s [%d] offset %" PRIi64 ": a record cannot be read: %s. "
                    "If it is damaged for good, pass it with %s",
                    toppar->topic->name, (int)toppar->number, m->offset,
                    rd_kafka_message_errstr(m), skip);
}

char *
kab_source_dup_grant(const KabSource *source)
{
    return kab_properties_dup_grant(KAB_CLIENT_CONSUMER,
                                    source->setup.properties,
                                    source->setup.n_properties);
}

static void
refuse_topic(KabSource *source, const char *topic, const char *reason)
{
    g_autofree char *grant = kab_source_dup_grant(source);
    kab_source_fail(source,
                    "topic %s may not be read: %s. Grant it: %s --operation "
                    "Read --topic %s",
                    topic, reason, grant, topic);
}

static bool
is_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static void
take_partition_error(KabSource *source,
                     KabToppar *toppar,
                     const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (toppar->reset_from >= 0)
            land_after_reset(source, toppar, m->offset);
        toppar->end = m->offset;
        kab_engine_end_of_partition(source->setup.engine, toppar->partition,
                                    m->offset, source->now);
    } else if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
               m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
        leave_range(source, toppar, m);
    } else if (m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        refuse_topic(source, toppar->topic->name, rd_kafka_err2str(m->err));
    } else if (m->err == RD_KAFKA_RESP_ERR__BAD_MSG ||
               m->err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
               m->err == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED ||
               m->err == RD_KAFKA_RESP_ERR_INVALID_MSG) {
        stop_at_damage(source, toppar, m);
    } else if (is_missing(m->err)) {
        kab_source_note_missing(source, toppar->topic->name);
    } else {
        kab_source_log(source, KAB_LOG_WARNING,
                       kab_toppar_place(toppar, m->offset), "%s [%d]: %s",
                       toppar->topic->name, (int)toppar->number,
                       rd_kafka_message_errstr(m));
    }
}

/* --- Records ----------------------------------------------------------- */

/* The bytes around the value, which are read to find out about headers, are not
 * in the caches yet: a thread of librdkafka has written them. */
static void
expect_message(const KabSource *source, const rd_kafka_message_t *message)
{
    if (source->header_use != KAB_HEADERS_SEEN)
        return;
    const char *value = message->payload;
    __builtin_prefetch(value);
    __builtin_prefetch(value + message->len);
}

/* The calls first: what is read before them has to be kept over them. */
static inline void
hold_record(const KabSource *source,
            const KabToppar *toppar,
            rd_kafka_message_t *message,
            KabTaken *ret_taken)
{
    rd_kafka_timestamp_type_t type;
    ret_taken->message = kab_message_hold(message, source->header_use);
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    ret_taken->record = (KabRecord){
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .topic = toppar->topic->name,
        .partition = toppar->number,
        .offset = message->offset,
        .timestamp_ms = timestamp_ms,
    };
}

/* Gives the engine the records before the first error. Returns how many. */
static size_t
give_records(KabSource *source,
             KabToppar *toppar,
             rd_kafka_message_t **messages,
             size_t n)
{
    KabTaken taken[RUN];
    size_t given;
    for (given = 0; given < MIN(n, RUN) && !messages[given]->err; given++) {
        if (given + EXPECTED < n)
            expect_message(source, messages[given + EXPECTED]);
        source->bytes_taken += messages[given]->len;
        hold_record(source, toppar, messages[given], &taken[given]);
    }
    if (!given)
        return 0;
    if (G_UNLIKELY(toppar->reset_from >= 0))
        land_after_reset(source, toppar, taken[0].record.offset);
    toppar->end = -1;
    kab_engine_take(source->setup.engine, toppar->partition, taken, given,
                    source->now);
    return given;
}

/* toppar NULL: never assigned. */
static void
take_messages(KabSource *source,
              KabToppar *toppar,
              rd_kafka_message_t **messages,
              size_t n)
{
    for (size_t i = 0; i < n;) {
        bool is_ours = toppar && toppar->partition && !toppar->is_broken;
        size_t given =
            is_ours ? give_records(source, toppar, messages + i, n - i) : 0;
        i += given;
        if (given)
            continue;
        if (is_ours)
            take_partition_error(source, toppar, messages[i]);
        rd_kafka_message_destroy(messages[i++]);
    }
}

/* A fetcher that is woken while the queue still holds queued.min.messages goes
 * back to sleep: so wake it at least once between that and empty. */
size_t
kab_source_wake_records(unsigned long queued_min_messages)
{
    return CLAMP(queued_min_messages / 2, 500, 5000);
}

/* Before 2.2, librdkafka looks again at a partition whose queue was full only
 * when its broker's thread wakes, up to a second later. Setting the same
 * credentials again wakes every broker's thread and does nothing else. */
static void
wake_fetchers(KabSource *source, size_t n)
{
    source->n_taken += n;
    if (!source->username || (source->n_taken < source->wake_records &&
                              source->bytes_taken < WAKE_BYTES))
        return;
    source->n_taken = source->bytes_taken = 0;
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(
        source->client, source->username, source->password);
    if (error)
        rd_kafka_error_destroy(error);
}

/* Take also from a partition that the engine has released: errors come among
 * its records, and read later they would seem to belong to the next
 * assignment. */
static bool
may_take_from(const KabToppar *toppar)
{
    return toppar->queue && !(toppar->partition && toppar->is_closed);
}

/* Clear is_ready before taking: a record that arrives later sets it again. */
static size_t
take_from(KabSource *source, KabToppar *toppar, size_t want)
{
    if (toppar->partition)
        want = kab_engine_want_from(toppar->partition, want);
    if (!want || !may_take_from(toppar)) {
        kab_source_set_aside(toppar);
        return 0;
    }
    atomic_store(&toppar->is_ready, false);
    ssize_t n =
        rd_kafka_consume_batch_queue(toppar->queue, 0, source->messages, want);
    if (n == (ssize_t)want)
        kab_source_note_records(source, toppar);
    size_t n_taken = (size_t)MAX(n, 0);
    take_messages(source, toppar, source->messages, n_taken);
    return n_taken;
}

void
kab_source_take(KabSource *source)
{
    size_t want = MIN(kab_engine_want(source->setup.engine), KAB_TAKE_MAX);
    size_t n = 0;
    for (KabToppar *toppar;
         n < want && (toppar = kab_source_pop_ready(source));)
        n += take_from(source, toppar, want - n);
    source->has_moved |= n > 0;
    wake_fetchers(source, n);
}

static void
drop_outdated(KabSource *source)
{
    ssize_t n;
    do {
        n = rd_kafka_consume_batch_queue(source->outdated, 0, source->messages,
                                         KAB_TAKE_MAX);
        for (ssize_t i = 0; i < n; i++)
            rd_kafka_message_destroy(source->messages[i]);
    } while (n == KAB_TAKE_MAX);
}

/* --- The consumer's own queue ------------------------------------------ */

/* A commit from before the end of the session (KAB_QUIRK_FENCED_BY_ITSELF):
 * nobody else need have the member's place. */
static bool
is_fenced_by_itself(const KabSource *source,
                    rd_kafka_resp_err_t err,
                    const char *reason)
{
    return err == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID &&
           g_str_has_prefix(reason, "OffsetCommit") && source->was_assigned &&
           !source->is_member;
}

static void
fail_fatal(KabSource *source)
{
    char reason[512] = "";
    rd_kafka_resp_err_t err =
        rd_kafka_fatal_error(source->client, reason, sizeof reason);
    if (is_fenced_by_itself(source, err, reason))
        kab_source_expire(source,
                          "its session had ended, and a commit from before was "
                          "refused: %s",
                          reason);
    else
        kab_source_fail(source,
                        "the consumer is beyond use: %s. If group.instance.id "
                        "is set, another process uses the same one: give each "
                        "its own",
                        reason);
}

static void
fail_log_in(KabSource *source, const char *reason)
{
    const KabSourceSetup *setup = &source->setup;
    g_autofree char *warning = kab_properties_dup_warning(
        KAB_CLIENT_CONSUMER, setup->properties, setup->n_properties);
    kab_source_fail(source,
                    "the broker refuses the log-in: %s. See security.protocol "
                    "and sasl.* in [kafka]%s%s",
                    reason, warning ? "; " : "", warning ? warning : "");
}

static void
note_fault(KabSource *source, const char *reason)
{
    const KabEdge *edge = source->setup.edge;
    g_autofree char *message = g_strconcat("consumer: ", reason, NULL);
    if (edge->note_fault)
        edge->note_fault(edge->user, message);
    kab_source_log_fault(source, KAB_LOG_WARNING, KAB_NOWHERE, "%s", message);
}

/* Some errors, fatal ones too, reach us only as a message of this callback. */
void
kab_source_on_error(rd_kafka_t *client, int err, const char *reason, void *user)
{
    KabSource *source = user;
    bool is_log_in = err == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
                     err == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        fail_fatal(source);
    } else if (is_log_in && !kab_refusal_is_outage(err, reason)) {
        fail_log_in(source, reason);
    } else {
        note_fault(source, reason);
        if (is_missing(err))
            kab_source_suspect_missing(source, reason);
    }
}

static void
refuse_group(KabSource *source)
{
    g_autofree char *grant = kab_source_dup_grant(source);
    kab_source_fail(
        source,
        "group %s may not be used: %s. Grant it: %s --operation "
        "Read --group %s",
        source->setup.group,
        rd_kafka_err2str(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED), grant,
        source->setup.group);
}

static void
take_group_error(KabSource *source, const rd_kafka_message_t *m)
{
    const char *reason = rd_kafka_message_errstr(m);
    if (m->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        refuse_group(source);
    else if (m->err == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
        kab_source_log(source, KAB_LOG_ERROR, KAB_NOWHERE,
                       "the loop did not turn within max.poll.interval.ms, "
                       "the group gives its partitions away: %s",
                       reason);
    else
        kab_source_on_error(source->client, m->err, reason, source);
}

static void
take_main_error(KabSource *source, const rd_kafka_message_t *m)
{
    const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
    if (topic && m->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        refuse_topic(source, topic, rd_kafka_err2str(m->err));
    else if (topic && is_missing(m->err))
        kab_source_note_missing(source, topic);
    else
        take_group_error(source, m);
}

static bool
is_of_partition(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ||
           err == RD_KAFKA_RESP_ERR__PARTITION_EOF ||
           err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET;
}

/* A message outside the partitions' queues: each gets its queue before it is
 * added, so this one belongs to no assigned partition. */
static void
take_stray(KabSource *source, rd_kafka_message_t *message)
{
    const char *topic = rd_kafka_topic_name(message->rkt);
    take_messages(source, kab_source_find(source, topic, message->partition),
                  &message, 1);
}

void
kab_source_serve_main(KabSource *source)
{
    rd_kafka_message_t *messages[KAB_SERVE_MAX];
    if (kab_source_is_closing(source)) {
        source->has_moved |=
            rd_kafka_queue_poll_callback(source->closing, 0) > 0;
        return;
    }
    drop_outdated(source);
    ssize_t n =
        rd_kafka_consume_batch_queue(source->main, 0, messages, KAB_SERVE_MAX);
    source->has_moved |= n > 0;
    for (ssize_t i = 0; i < n; i++) {
        if (is_of_partition(messages[i]->err)) {
            take_stray(source, messages[i]);
            continue;
        }
        take_main_error(source, messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
}
