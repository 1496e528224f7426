/* SPDX-License-Identifier: Apache-2.0 */
/* Connects a binding's engine to executor, source and producer, and handles
 * what the engine, the executor and the Kafka layer report to the binding. Runs
 * on the loop. */
#include "binding-internal.h"

#include <inttypes.h>

#define RENEWAL_US (5 * 60 * G_USEC_PER_SEC)

/* --- What the engine tells ---------------------------------------------- */

/* Takes the message. */
static void
note_error(KabBinding *binding, char *message)
{
    g_free(binding->last_error);
    binding->last_error = message;
    binding->last_error_us = g_get_monotonic_time();
}

static const char *
fate_name(KabFate fate)
{
    switch (fate) {
    case KAB_FATE_LETTER:
        return "it goes to the dead-letter topic";
    case KAB_FATE_PASSED:
        return "the input goes on unchanged";
    case KAB_FATE_DISCARDED:
        return "it is dropped";
    case KAB_FATE_HELD:
        return "the binding stops";
    case KAB_FATE_OUTPUT:
        break;
    }
    return "it goes on";
}

static void
record_failed(void *user,
              const KabRecord *record,
              const KabDeadLetter *why,
              KabFate fate)
{
    KabBinding *binding = user;
    KabPlace place = {record->topic, record->partition, record->offset};
    g_autofree char *message = g_strdup_printf(
        "record %s [%d] offset %" PRIi64 " failed (%s%s, after %u call%s): %s; "
        "%s",
        record->topic, (int)record->partition, record->offset,
        kab_class_name(why->class_),
        why->stage == KAB_STAGE_PRODUCE ? ", refused by the broker" : "",
        (unsigned)why->calls, why->calls == 1 ? "" : "s", why->message,
        fate_name(fate));
    if (fate == KAB_FATE_HELD && !binding->skip)
        binding->skip = kab_edge_dup_skip(binding->settings->name, place);
    kab_binding_log(user, KAB_LOG_WARNING, place, message);
}

static const char *
advise_fenced(const KabBinding *binding)
{
    if (binding->settings->is_transactional_id_set)
        return ": give each process a transactional.id of its own";
    return ": give each process on this host an instance of its own ([bridge] "
           "instance)";
}

/* Of a record that failed, or one that on.failure = pass passed on and the
 * broker refused. */
static char *
dup_advice_on_failure(const KabBinding *binding)
{
    bool was_passed =
        binding->settings->engine.on_failure == KAB_ON_FAILURE_PASS;
    return g_strdup_printf(
        "; %s. Mend the function or the record, set on.failure = dlq and a "
        "dead.letter.topic, or pass it: %s",
        was_passed ? "on.failure = pass, and it cannot be written"
                   : "on.failure = stop",
        binding->skip);
}

static char *
dup_advice(const KabBinding *binding, KabStopReason reason)
{
    switch (reason) {
    case KAB_STOP_FENCED:
        return g_strdup(advise_fenced(binding));
    case KAB_STOP_FAILURE:
        return dup_advice_on_failure(binding);
    case KAB_STOP_DEAD_LETTER:
        return g_strdup_printf(". To go on without it: %s", binding->skip);
    case KAB_STOP_EXPIRED:
        return g_strdup(", twice within five minutes: if another process uses "
                        "the same group.instance.id, give each its own");
    case KAB_STOP_FUNCTION:
    case KAB_STOP_SINK:
    case KAB_STOP_SOURCE:
        break;
    }
    return g_strdup("");
}

/* Once is an outage. So soon again, somebody else wants the place. */
static bool
may_renew(const KabBinding *binding)
{
    return !binding->renewed_us ||
           g_get_monotonic_time() - binding->renewed_us > RENEWAL_US;
}

static void
renew_binding(KabBinding *binding, const char *message)
{
    binding->is_to_renew = true;
    note_error(binding, g_strdup(message));
    kab_log(KAB_LOG_WARNING, binding->settings->name,
            "begins again with new clients: %s", message);
}

static void
stop_binding(void *user, KabStopReason reason, const char *message)
{
    KabBinding *binding = user;
    if (reason == KAB_STOP_EXPIRED && may_renew(binding)) {
        renew_binding(binding, message);
        return;
    }
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

static const KabOwnerPort owner_port = {
    .failed = record_failed,
    .stop = stop_binding,
};

/* --- Calls that fail or are not answered in time ------------------------ */

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

/* Takes what happened to the call. */
static void
note_call(KabBinding *binding, const KabAttempt *attempt, char *what)
{
    const KabRecord *first = &attempt->records[0];
    KabPlace place = {first->topic, first->partition, first->offset};
    char *message = g_strdup_printf(
        "a call with %zu record%s from %s [%d] offset %" PRIi64 " %s",
        attempt->n, attempt->n == 1 ? "" : "s", first->topic,
        (int)first->partition, first->offset, what);
    kab_binding_log(binding, KAB_LOG_WARNING, place, message);
    note_error(binding, message);
    g_free(what);
}

static void
note_failure(KabBinding *binding,
             const KabAttempt *attempt,
             const KabAnswer *answer)
{
    const char *reason = answer->reason ? answer->reason : "no reason given";
    binding->is_overloaded = answer->failure == KAB_FAIL_OVERLOAD;
    note_call(binding, attempt,
              g_strdup_printf("failed (%s): %s", failure_name(answer->failure),
                              reason));
}

static bool
is_out_of_time(const KabAttempt *attempt)
{
    return attempt->timeout_us && attempt->entered_us &&
           g_get_monotonic_time() >= attempt->entered_us + attempt->timeout_us;
}

static void
invoke_call(void *user, KabAttempt *attempt)
{
    kab_executor_invoke(((KabBinding *)user)->executor, attempt);
}

/* A function that hangs never answers: this is the only moment to name what it
 * hangs at. */
static void
cancel_call(void *user, KabAttempt *attempt)
{
    KabBinding *binding = user;
    g_ptr_array_add(binding->unwanted, attempt);
    if (is_out_of_time(attempt)) {
        binding->is_overloaded = false;
        note_call(
            binding, attempt,
            g_strdup_printf("gave no answer within call.timeout (%.1f s)",
                            (double)attempt->timeout_us / G_USEC_PER_SEC));
    }
    kab_executor_cancel(binding->executor, attempt);
}

static void
release_call(void *user, KabAttempt *attempt)
{
    kab_executor_release(((KabBinding *)user)->executor, attempt);
}

static const KabCallPort call_port = {
    .invoke = invoke_call,
    .cancel = cancel_call,
    .release_attempt = release_call,
};

void
kab_binding_connect(KabBinding *binding)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = binding,
        .source = &kab_source_port,
        .source_user = binding->source,
        .sinks = {{&kab_producer_port, binding->producer}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = binding,
    };
    kab_engine_connect(binding->engine, &ports);
}

/* --- The executor's reports -------------------------------------------- */

static void
call_entered(void *user,
             KabAttempt *attempt,
             uint64_t serial,
             int64_t entered_us)
{
    KabBinding *binding = user;
    if (attempt->serial == serial)
        attempt->entered_us = entered_us;
    kab_engine_entered(binding->engine, attempt, serial, entered_us);
}

static void
call_answered(void *user,
              KabAttempt *attempt,
              uint64_t serial,
              const KabAnswer *answer)
{
    KabBinding *binding = user;
    int64_t now = g_get_monotonic_time();
    bool is_wanted = attempt->serial == serial;
    bool is_late = g_ptr_array_remove_fast(binding->unwanted, attempt);
    if (answer->failed && is_wanted && !is_late)
        note_failure(binding, attempt, answer);
    if (binding->trace && is_wanted)
        kab_trace_note(binding->trace, attempt, answer, attempt->entered_us,
                       now);
    if (kab_tap_is_on(binding->tap) && is_wanted)
        kab_tap_note(binding->tap, attempt, answer, attempt->entered_us, now);
    kab_engine_answered(binding->engine, attempt, serial, answer, now);
}

static void
answered_twice(void *user)
{
    kab_engine_answered_twice(((KabBinding *)user)->engine);
}

static void
loop_blocked(void *user)
{
    kab_engine_blocked(((KabBinding *)user)->engine);
}

static void
attempt_grew(void *user, KabAttempt *attempt, uint64_t serial, size_t bytes)
{
    kab_engine_attempt_grew(((KabBinding *)user)->engine, attempt, serial,
                            bytes);
}

const KabExecutorEvents kab_binding_executor_events = {
    .entered = call_entered,
    .answered = call_answered,
    .answered_twice = answered_twice,
    .blocked = loop_blocked,
    .grew = attempt_grew,
};

/* --- Log lines of the edges -------------------------------------------- */

/* Hash of a line without its numbers: lines that differ only in numbers share a
 * limit. */
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

/* What the client's own threads say is only logged, not kept. */
void
kab_binding_note_fault(void *user, const char *reason)
{
    KabBinding *binding = user;
    if (!kab_loop_is_own(binding->loop))
        return;
    g_free(binding->source_error);
    binding->source_error = g_strdup(reason);
    binding->source_error_us = g_get_monotonic_time();
}

void
kab_binding_log_of_source(void *user,
                          KabLogLevel level,
                          KabPlace place,
                          const char *message)
{
    if (level <= KAB_LOG_WARNING)
        kab_binding_note_fault(user, message);
    kab_binding_log(user, level, place, message);
}
