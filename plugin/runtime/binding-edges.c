/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's effects of a binding, each handed to the edge that does it;
 * and what the executor and the Kafka layer report. On the loop. */
#include "binding-internal.h"

#include <inttypes.h>

/* --- Effects ----------------------------------------------------------- */

static void
invoke(void *user, KabAttempt *attempt)
{
    kab_executor_invoke(((KabBinding *)user)->executor, attempt);
}

static void
cancel(void *user, KabAttempt *attempt)
{
    kab_executor_cancel(((KabBinding *)user)->executor, attempt);
}

static void
release_attempt(void *user, KabAttempt *attempt)
{
    kab_executor_release(((KabBinding *)user)->executor, attempt);
}

static void
release_message(void *user, void *message)
{
    kab_source_release_message(((KabBinding *)user)->source, message);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return kab_source_detach_message(((KabBinding *)user)->source, message,
                                     record);
}

static bool
measure(void *user,
        const KabProduct *product,
        const KabRecord *input,
        void *message)
{
    return kab_producer_measure(((KabBinding *)user)->producer, product, input,
                                message);
}

static KabProduceStatus
produce(void *user,
        KabProduct *product,
        const KabRecord *input,
        void *message,
        const KabDeadLetter *letter)
{
    return kab_producer_produce(((KabBinding *)user)->producer, product, input,
                                message, letter);
}

static const char *
explain(void *user)
{
    return kab_producer_explain(((KabBinding *)user)->producer);
}

static void
flush(void *user)
{
    kab_producer_flush(((KabBinding *)user)->producer);
}

static void
replace_sink(void *user, uint32_t epoch)
{
    kab_producer_replace(((KabBinding *)user)->producer, epoch);
}

static void
begin_transaction(void *user, uint32_t epoch)
{
    kab_producer_begin(((KabBinding *)user)->producer, epoch);
}

static void
end_transaction(void *user, uint32_t epoch, KabCommitItem *items, size_t n)
{
    kab_producer_end(((KabBinding *)user)->producer, epoch, items, n);
}

static void
abort_transaction(void *user, uint32_t epoch)
{
    kab_producer_abort(((KabBinding *)user)->producer, epoch);
}

static bool
commit(void *user, KabCommitItem *items, size_t n)
{
    return kab_source_commit(((KabBinding *)user)->source, items, n);
}

static void
load(void *user, KabPartition *partition)
{
    kab_source_load(((KabBinding *)user)->source, partition);
}

static void
add(void *user, KabPartition *partition, int64_t offset)
{
    kab_source_add(((KabBinding *)user)->source, partition, offset);
}

static void
unassign(void *user, KabPartition *partition)
{
    kab_source_unassign(((KabBinding *)user)->source, partition);
}

static void
valve(void *user, KabPartition *partition, bool open)
{
    kab_source_valve(((KabBinding *)user)->source, partition, open);
}

/* Takes the message. */
static void
note_error(KabBinding *binding, char *message)
{
    g_free(binding->last_error);
    binding->last_error = message;
    binding->last_error_us = g_get_monotonic_time();
}

static char *
dup_advice(const KabBinding *binding, KabStopReason reason)
{
    switch (reason) {
    case KAB_STOP_FENCED:
        return g_strdup(
            binding->settings->is_transactional_id_set
                ? ": give each process a transactional.id of its own"
                : ": give each process on this host an instance of its own "
                  "([bridge] instance)");
    case KAB_STOP_FAILURE:
        return g_strdup("; on.failure = stop. Mend the function or the "
                        "record, or see dead.letter.topic and kabridge skip");
    case KAB_STOP_FUNCTION:
    case KAB_STOP_DEAD_LETTER:
    case KAB_STOP_SINK:
    case KAB_STOP_SOURCE:
        break;
    }
    return g_strdup("");
}

static void
stop(void *user, KabStopReason reason, const char *message)
{
    KabBinding *binding = user;
    g_autofree char *advice = dup_advice(binding, reason);
    int code =
        reason == KAB_STOP_FENCED ? KAB_ERROR_CONFIG : KAB_ERROR_UNAVAILABLE;
    if (!binding->error)
        g_set_error(&binding->error, KAB_ERROR, code, "binding %s: %s%s",
                    binding->settings->name, message, advice);
    note_error(binding, g_strdup(message));
    kab_log(KAB_LOG_ERROR, binding->settings->name, "stops: %s%s", message,
            advice);
}

const KabEffects kab_binding_effects = {
    .invoke = invoke,
    .cancel = cancel,
    .release_attempt = release_attempt,
    .release_message = release_message,
    .detach_message = detach_message,
    .measure = measure,
    .produce = produce,
    .explain = explain,
    .flush = flush,
    .replace_sink = replace_sink,
    .begin_transaction = begin_transaction,
    .end_transaction = end_transaction,
    .abort_transaction = abort_transaction,
    .commit = commit,
    .load = load,
    .add = add,
    .unassign = unassign,
    .valve = valve,
    .stop = stop,
};

/* --- The executor's reports -------------------------------------------- */

static void
entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
    kab_engine_entered(((KabBinding *)user)->engine, attempt, serial,
                       entered_us);
}

static const char *
failure_name(KabFailure failure)
{
    switch (failure) {
    case KAB_FAIL_TRANSIENT:
        return "transient";
    case KAB_FAIL_PERMANENT:
        return "permanent";
    case KAB_FAIL_OVERLOAD:
        return "overload";
    case KAB_FAIL_TOO_LARGE:
        return "too large";
    case KAB_FAIL_CRASH:
        return "crash";
    case KAB_FAIL_FATAL:
        return "fatal";
    }
    return "unknown";
}

static void
note_failure(KabBinding *binding,
             const KabAttempt *attempt,
             const KabAnswer *answer)
{
    const char *reason = answer->reason ? answer->reason : "no reason given";
    const KabRecord *first = &attempt->records[0];
    KabPlace place = {first->topic, first->partition, first->offset};
    g_autofree char *message =
        g_strdup_printf("a call with %zu records from %s [%d] offset %" PRIi64
                        " failed (%s): %s",
                        attempt->n, first->topic, (int)first->partition,
                        first->offset, failure_name(answer->failure), reason);
    kab_binding_log(binding, KAB_LOG_WARNING, place, message);
    note_error(binding, g_steal_pointer(&message));
}

static void
answered(void *user,
         KabAttempt *attempt,
         uint64_t serial,
         const KabAnswer *answer)
{
    KabBinding *binding = user;
    if (answer->failed && attempt->serial == serial)
        note_failure(binding, attempt, answer);
    kab_engine_answered(binding->engine, attempt, serial, answer,
                        g_get_monotonic_time());
}

static void
answered_twice(void *user)
{
    kab_engine_answered_twice(((KabBinding *)user)->engine);
}

const KabExecutorEvents kab_binding_executor_events = {
    .entered = entered,
    .answered = answered,
    .answered_twice = answered_twice,
};

/* --- Log lines of the edges -------------------------------------------- */

/* Of what a line says besides its numbers. */
static unsigned
hash_line(const char *message)
{
    unsigned hash = 5381;
    for (const char *c = message; *c; c++)
        if (!g_ascii_isdigit(*c))
            hash = hash * 33 + (unsigned char)*c;
    return hash;
}

static bool
may_say(KabLineLimits *lines, const char *message, unsigned *ret_left_out)
{
    unsigned hash = hash_line(message), i = hash % KAB_N_LOG_LIMITS;
    pthread_mutex_lock(&lines->mutex);
    KabLogLimit *limit = &lines->limits[i];
    if (lines->hashes[i] != hash)
        *limit = (KabLogLimit){0};
    lines->hashes[i] = hash;
    bool may = kab_log_limit_pass(limit, ret_left_out);
    pthread_mutex_unlock(&lines->mutex);
    return may;
}

void
kab_binding_log(void *user,
                KabLogLevel level,
                KabPlace place,
                const char *message)
{
    KabBinding *binding = user;
    unsigned left_out = 0;
    if (!may_say(&binding->lines, message, &left_out))
        return;
    char partition[16], offset[24];
    g_snprintf(partition, sizeof partition, "%d", (int)place.partition);
    g_snprintf(offset, sizeof offset, "%" PRIi64, place.offset);
    KabLogField fields[] = {
        {"TOPIC", place.topic}, {"PARTITION", partition}, {"OFFSET", offset}};
    unsigned n_fields = !place.topic ? 0 : place.offset < 0 ? 2 : 3;
    if (left_out)
        kab_log_fields(level, binding->settings->name, fields, n_fields,
                       "%s (and %u more like it)", message, left_out);
    else
        kab_log_fields(level, binding->settings->name, fields, n_fields, "%s",
                       message);
}

/* Lines of the client's own threads are only logged. */
void
kab_binding_log_of_source(void *user,
                          KabLogLevel level,
                          KabPlace place,
                          const char *message)
{
    KabBinding *binding = user;
    if (level <= KAB_LOG_WARNING && kab_loop_is_own(binding->loop)) {
        g_free(binding->source_error);
        binding->source_error = g_strdup(message);
        binding->source_error_us = g_get_monotonic_time();
    }
    kab_binding_log(user, level, place, message);
}
