/* SPDX-License-Identifier: Apache-2.0 */
/* The function of the tests against a real broker: identity, but slow and
 * failing as its options say, and it logs every record it is called with.
 *
 * Its behaviour depends only on the seed, the call's number and its records'
 * numbers, never on a clock. A record's number is the twelve digits at the
 * beginning of its value, or of its header "id"; its mark is the character
 * after the third colon of its value (tests/kafka/record.c):
 *
 *     P  permanent failure of every batch it is in     R  rejected
 *     T  the batch is too large                        I  rejected as input
 *     F  fatal                                         D  dropped
 *     X  kills the process                             H  held for hold.time
 *     Q  retried at the first call of the batch        N  no outcome, once
 *     E  transient failure of every batch it is in     O  overload, likewise
 */
#include <kabridge/function.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    uint64_t seed;
    int64_t delay_us, per_record_us, hold_us, slow_us;
    int64_t fail, overload, retry, silent, slow; /* per thousand */
    int64_t crash_after;                         /* records; 0: never */
    bool never, async;
    const char *refuse;
    int log_fd; /* -1: no log */
    atomic_uint_fast64_t calls, records;
} Chaos;

/* Given by process() to a thread of its own. */
typedef struct {
    Chaos *chaos;
    KabBatch *batch;
    uint64_t call;
} Answer;

static const KabOption options[] = {
    {"seed", KAB_OPTION_INTEGER, "1", NULL, "What the rest follows from.", 0},
    {"delay", KAB_OPTION_DURATION, "0", NULL, "A call takes up to this.", 0},
    {"per.record", KAB_OPTION_DURATION, "0", NULL, "And this a record.", 0},
    {"hold.time", KAB_OPTION_DURATION, "30s", NULL,
     "How long a batch with a record marked H takes.", 0},
    {"slow", KAB_OPTION_INTEGER, "0", "0..1000",
     "Calls of a thousand that take slow.time.", 0},
    {"slow.time", KAB_OPTION_DURATION, "1s", NULL, "See slow.", 0},
    {"fail", KAB_OPTION_INTEGER, "0", "0..1000",
     "Calls of a thousand that fail transiently.", 0},
    {"overload", KAB_OPTION_INTEGER, "0", "0..1000",
     "Calls of a thousand that are refused for overload.", 0},
    {"retry", KAB_OPTION_INTEGER, "0", "0..1000",
     "Records of a thousand that ask to be called again.", 0},
    {"silent", KAB_OPTION_INTEGER, "0", "0..1000",
     "Records of a thousand that get no outcome.", 0},
    {"crash.after", KAB_OPTION_INTEGER, "0", NULL,
     "Kills the process when that many records were called.", 0},
    {"never", KAB_OPTION_BOOLEAN, "false", NULL,
     "Answers only when the answer is no longer wanted.", 0},
    {"async", KAB_OPTION_BOOLEAN, "false", NULL,
     "Answers from a thread of its own.", 0},
    {"refuse", KAB_OPTION_STRING, "", NULL,
     "While this file exists, every call is refused for overload.", 0},
    {"log", KAB_OPTION_STRING, "", NULL,
     "A file that gets a line with the number of each record called.", 0},
};

/* Splitmix64: one number from the seed and two others. */
static uint64_t
draw(const Chaos *chaos, uint64_t a, uint64_t b)
{
    uint64_t z = chaos->seed * 0x9e3779b97f4a7c15u + a * 0xbf58476d1ce4e5b9u +
                 b * 0x94d049bb133111ebu;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool
hits(const Chaos *chaos, int64_t of_thousand, uint64_t a, uint64_t b)
{
    return (int64_t)(draw(chaos, a, b) % 1000) < of_thousand;
}

static int64_t
number_of(const KabBatch *batch, size_t i)
{
    KabBytes text = kab_batch_records(batch)[i].value;
    kab_batch_header(batch, i, "id", &text);
    char digits[13] = {0};
    if (!text.data || text.len < 12)
        return -1;
    memcpy(digits, text.data, 12);
    return strtoll(digits, NULL, 10);
}

static char
mark_of(const KabBatch *batch, size_t i)
{
    const KabBytes *value = &kab_batch_records(batch)[i].value;
    const char *text = value->data;
    return value->len >= 32 && text[30] == ':' ? text[31] : '.';
}

static bool
has_mark(const KabBatch *batch, char mark)
{
    for (size_t i = 0; i < kab_batch_count(batch); i++)
        if (mark_of(batch, i) == mark)
            return true;
    return false;
}

/* A single write, so that lines of several processes do not mix. */
static void
write_log(const Chaos *chaos, const KabBatch *batch)
{
    size_t count = kab_batch_count(batch), used = 0;
    char *lines = malloc(count * 24 + 1);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(lines + used, 24, "%lld\n",
                                 (long long)number_of(batch, i));
    if (write(chaos->log_fd, lines, used) < 0)
        perror("call log");
    free(lines);
}

static void
rest(int64_t us)
{
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    while (us > 0 && nanosleep(&time, &time) != 0)
        ;
}

static void
wait_until_cancelled(const KabBatch *batch)
{
    while (!kab_batch_is_cancelled(batch))
        rest(10000);
}

/* Fails the whole batch if one of its records, or chance, says so. */
static bool
failed(Chaos *chaos, KabBatch *batch, uint64_t call)
{
    static const struct {
        char mark;
        KabFailure failure;
    } failures[] = {
        {'F', KAB_FAIL_FATAL},     {'T', KAB_FAIL_TOO_LARGE},
        {'P', KAB_FAIL_PERMANENT}, {'E', KAB_FAIL_TRANSIENT},
        {'O', KAB_FAIL_OVERLOAD},
    };
    if ((*chaos->refuse && access(chaos->refuse, F_OK) == 0) ||
        hits(chaos, chaos->overload, call, 1)) {
        kab_batch_fail(batch, KAB_FAIL_OVERLOAD, -1, "chaos: refused");
        return true;
    }
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (has_mark(batch, failures[i].mark)) {
            kab_batch_fail(batch, failures[i].failure, -1, "chaos: a mark");
            return true;
        }
    if (!hits(chaos, chaos->fail, call, 2))
        return false;
    kab_batch_fail(batch, KAB_FAIL_TRANSIENT, -1, "chaos: by chance");
    return true;
}

static void
answer_record(Chaos *chaos, KabBatch *batch, size_t i, uint64_t call)
{
    const KabRecord *record = &kab_batch_records(batch)[i];
    char mark = mark_of(batch, i);
    bool first = kab_batch_attempt(batch) == 1;
    if (mark == 'R')
        kab_batch_reject(batch, i, "chaos: rejected");
    else if (mark == 'I')
        kab_batch_reject_input(batch, i, "chaos: not\nreadable");
    else if (mark == 'D')
        kab_batch_drop(batch, i);
    else if ((mark == 'Q' && first) || hits(chaos, chaos->retry, call, i + 9))
        kab_batch_retry(batch, i, "chaos: again");
    else if (!(mark == 'N' && first) &&
             !hits(chaos, chaos->silent, call, i + 99999)) {
        KabOutput output = KAB_OUTPUT_INIT;
        output.key = record->key;
        output.value = record->value;
        kab_batch_emit(batch, i, &output);
    }
}

static void
answer(Chaos *chaos, KabBatch *batch, uint64_t call)
{
    size_t count = kab_batch_count(batch);
    if (chaos->never)
        wait_until_cancelled(batch);
    if (has_mark(batch, 'X'))
        raise(SIGKILL);
    rest(has_mark(batch, 'H') ? chaos->hold_us : 0);
    rest(hits(chaos, chaos->slow, call, 4) ? chaos->slow_us : 0);
    if (chaos->delay_us)
        rest((int64_t)(draw(chaos, call, 3) % (uint64_t)chaos->delay_us));
    rest(chaos->per_record_us * (int64_t)count);
    if (failed(chaos, batch, call))
        return;
    for (size_t i = 0; i < count; i++)
        answer_record(chaos, batch, i, call);
    kab_batch_complete(batch);
}

static void *
answer_thread(void *data)
{
    Answer *later = data;
    answer(later->chaos, later->batch, later->call);
    free(later);
    return NULL;
}

static void
answer_later(Chaos *chaos, KabBatch *batch, uint64_t call)
{
    Answer *later = malloc(sizeof(*later));
    *later = (Answer){chaos, batch, call};
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer_thread, later) != 0)
        abort();
    pthread_detach(thread);
}

static void
chaos_process(void *instance, KabBatch *batch)
{
    Chaos *chaos = instance;
    size_t count = kab_batch_count(batch);
    uint64_t call = atomic_fetch_add(&chaos->calls, 1);
    uint64_t called = atomic_fetch_add(&chaos->records, count) + count;
    if (chaos->log_fd >= 0)
        write_log(chaos, batch);
    if (chaos->crash_after && called >= (uint64_t)chaos->crash_after)
        raise(SIGKILL);
    if (chaos->async)
        answer_later(chaos, batch, call);
    else
        answer(chaos, batch, call);
}

static bool
chaos_open(KabContext *context, void **ret_instance)
{
    const char *log = kab_context_get_string(context, "log");
    int log_fd = -1;
    if (log && *log) {
        log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
        if (log_fd < 0)
            return kab_context_fail(context, "%s cannot be written", log);
    }
    Chaos *chaos = calloc(1, sizeof(*chaos));
    chaos->seed = (uint64_t)kab_context_get_integer(context, "seed");
    chaos->delay_us = kab_context_get_duration_us(context, "delay");
    chaos->per_record_us = kab_context_get_duration_us(context, "per.record");
    chaos->hold_us = kab_context_get_duration_us(context, "hold.time");
    chaos->slow = kab_context_get_integer(context, "slow");
    chaos->slow_us = kab_context_get_duration_us(context, "slow.time");
    chaos->fail = kab_context_get_integer(context, "fail");
    chaos->overload = kab_context_get_integer(context, "overload");
    chaos->retry = kab_context_get_integer(context, "retry");
    chaos->silent = kab_context_get_integer(context, "silent");
    chaos->crash_after = kab_context_get_integer(context, "crash.after");
    chaos->never = kab_context_get_boolean(context, "never");
    chaos->async = kab_context_get_boolean(context, "async");
    const char *refuse = kab_context_get_string(context, "refuse");
    chaos->refuse = refuse ? refuse : "";
    chaos->log_fd = log_fd;
    *ret_instance = chaos;
    return true;
}

static void
chaos_close(void *instance)
{
    Chaos *chaos = instance;
    if (chaos->log_fd >= 0)
        close(chaos->log_fd);
    free(chaos);
}

KAB_FUNCTION_DEFINE(.name = "chaos",
                    .summary = "Identity, slow and failing as asked.",
                    .options = options,
                    .n_options = sizeof(options) / sizeof(options[0]),
                    .open = chaos_open,
                    .process = chaos_process,
                    .close = chaos_close);
