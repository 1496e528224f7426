/* SPDX-License-Identifier: Apache-2.0 */
/* The trivial edges around the engine of a trial.
 *
 *   lines (try-lines.h) -> engine -> executor -> engine -> try-print.h
 *
 * On the loop; produce prints at once. Its acknowledgement, like every answer
 * to an effect, is an event of the next turn.
 */
#include "try-internal.h"

/* --- Lines ------------------------------------------------------------- */

static bool
has_json(const Trial *trial)
{
    return trial->printer.format == KAB_TRY_JSON;
}

static uint64_t
number_of(const KabLine *line)
{
    return (uint64_t)line->offset + 1;
}

/* False: the line is not a record; that has been printed. */
static bool
read_line(Trial *trial, KabLine *line, KabRecord *ret_record)
{
    *ret_record = (KabRecord){.value = {line->text, line->len},
                              .topic = trial->topic,
                              .offset = line->offset,
                              .timestamp_ms = g_get_real_time() / 1000};
    if (!has_json(trial))
        return true;
    g_autofree char *problem = NULL;
    if (!kab_try_record_read(&line->record, line->text, line->len, &problem)) {
        kab_try_print_unread(&trial->printer, number_of(line), problem);
        return false;
    }
    ret_record->key = line->record.record.key;
    ret_record->value = line->record.record.value;
    return true;
}

static void
take_line(Trial *trial, KabLine *line, int64_t now)
{
    KabTaken taken = {.message = line};
    trial->n_lines++;
    if (read_line(trial, line, &taken.record)) {
        kab_engine_take(trial->engine, trial->partition, &taken, 1, now);
        return;
    }
    trial->n_unread++;
    kab_line_free(line);
}

bool
kab_try_take_lines(Trial *trial, int64_t now)
{
    bool has_taken = false;
    while (trial->is_added && kab_engine_want(trial->engine) > 0) {
        KabLine *line = kab_lines_take(trial->lines);
        if (!line)
            break;
        take_line(trial, line, now);
        has_taken = true;
    }
    return has_taken;
}

/* --- Effects ----------------------------------------------------------- */

static void
invoke_call(void *user, KabAttempt *attempt)
{
    Trial *trial = user;
    kab_try_calls_begin(&trial->calls, attempt, has_json(trial));
    kab_executor_port.invoke(trial->executor, attempt);
}

static void
cancel_call(void *user, KabAttempt *attempt)
{
    kab_executor_port.cancel(((Trial *)user)->executor, attempt);
}

static void
release_attempt(void *user, KabAttempt *attempt)
{
    Trial *trial = user;
    kab_executor_port.release_attempt(trial->executor, attempt);
    kab_try_calls_end(&trial->calls, attempt);
}

static void
release_message(void *user, void *message)
{
    Trial *trial = user;
    KabLine *line = message;
    /* If the function gave up, the released lines have not been judged. */
    if (!line->has_result && !trial->error)
        kab_try_print_drop(&trial->printer, number_of(line));
    kab_line_free(line);
}

static void *
detach_message(void *user, void *message, KabRecord *record)
{
    return message;
}

static KabProduceStatus
produce_output(void *user,
               KabProduct *product,
               const KabRecord *input,
               void *message,
               const KabDeadLetter *letter)
{
    Trial *trial = user;
    KabLine *line = message;
    KabOutput passed = KAB_OUTPUT_INIT;
    passed.key = input->key;
    passed.value = input->value;
    line->has_result = true;
    if (product->kind == KAB_PRODUCT_PASSED)
        kab_try_print_output(&trial->printer, number_of(line), &passed,
                             letter->message);
    else if (letter)
        kab_try_print_reject(&trial->printer, number_of(line), letter);
    else
        kab_try_print_output(&trial->printer, number_of(line), &product->output,
                             NULL);
    g_queue_push_tail(&trial->products, product);
    return KAB_PRODUCE_OK;
}

static void
replace_sink(void *user, uint32_t epoch)
{
    Trial *trial = user;
    trial->has_sink = true;
    trial->epoch = epoch;
}

static void
commit_offsets(void *user, KabCommitItem *items, size_t n)
{
    Trial *trial = user;
    for (size_t i = 0; i < n; i++)
        items[i].result = KAB_COMMIT_OK;
    trial->items = items;
    trial->n_items = n;
}

static void
load_partition(void *user, KabPartition *partition)
{
    ((Trial *)user)->has_load = true;
}

static void
add_partition(void *user, KabPartition *partition, int64_t offset)
{
    ((Trial *)user)->is_added = true;
}

static void
unassign_partition(void *user, KabPartition *partition)
{
    ((Trial *)user)->is_added = false;
}

static void
set_valve(void *user, KabPartition *partition, bool open)
{
}

static void
stop_trial(void *user, KabStopReason reason, const char *message)
{
    Trial *trial = user;
    if (!trial->error)
        g_set_error_literal(&trial->error, KAB_ERROR, KAB_ERROR_UNAVAILABLE,
                            message);
}

static const KabCallPort call_port = {
    .invoke = invoke_call,
    .cancel = cancel_call,
    .release_attempt = release_attempt,
};

static const KabSourcePort source_port = {
    .load = load_partition,
    .add = add_partition,
    .unassign = unassign_partition,
    .valve = set_valve,
    .commit = commit_offsets,
    .release_message = release_message,
    .detach_message = detach_message,
};

static const KabSinkPort sink_port = {
    .produce = produce_output,
    .replace = replace_sink,
};

static const KabOwnerPort owner_port = {.stop = stop_trial};

void
kab_try_connect(Trial *trial)
{
    const KabPorts ports = {
        .call = &call_port,
        .call_user = trial,
        .source = &source_port,
        .source_user = trial,
        .sinks = {{&sink_port, trial}},
        .n_sinks = 1,
        .owner = &owner_port,
        .owner_user = trial,
    };
    kab_engine_connect(trial->engine, &ports);
}

/* --- What the executor reports ----------------------------------------- */

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
    Trial *trial = user;
    kab_try_calls_entered(&trial->calls, attempt, entered_us);
    kab_engine_entered(trial->engine, attempt, serial, entered_us);
}

static void
print_retries(Trial *trial, const KabAttempt *attempt)
{
    for (size_t i = 0; i < attempt->n; i++)
        if (attempt->results[i].outcome == KAB_OUTCOME_RETRY)
            kab_try_print_retry(&trial->printer,
                                number_of(attempt->messages[i]),
                                &attempt->results[i]);
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    Trial *trial = user;
    int64_t now = g_get_monotonic_time();
    kab_try_calls_answered(&trial->calls, attempt, now);
    kab_try_wait_note(&trial->wait, answer);
    print_retries(trial, attempt);
    kab_engine_answered(trial->engine, attempt, serial, answer, now);
}

static void
on_answered_twice(void *user)
{
    kab_engine_answered_twice(((Trial *)user)->engine);
}

size_t
kab_try_get_headers(void *message, KabHeader *ret, size_t capacity)
{
    const KabTryRecord *record = &((KabLine *)message)->record;
    for (size_t i = 0; i < MIN(record->n_headers, capacity); i++)
        ret[i] = record->headers[i];
    return record->n_headers;
}

const KabExecutorEvents kab_try_events = {
    .entered = on_entered,
    .answered = on_answered,
    .answered_twice = on_answered_twice,
};
