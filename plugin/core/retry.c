/* SPDX-License-Identifier: Apache-2.0 */
/* Retries of records that failed.
 *
 * Retry state belongs to a set. A set that fails transiently or by time-out is
 * called again with back-off, up to retry.max.attempts calls. After the last
 * call, or at once after a permanent failure, a set of several records is
 * halved, and each half is called once before it is halved again; a single
 * record that was cut off has retry.max.attempts calls of its own. A remainder
 * keeps the count of its set. A second crash of the same set counts as its
 * last call; that of a single record is made alone (dispatch.c). An overload
 * counts only for a single record while other sets succeed, and nothing counts
 * while the function is ill (limiter.c), but now and then a set is halved.
 * Records out of calls go to on.failure.
 */
#include "turn.h"

#define MESSAGE_MAX 1024
#define UNCOUNTED_TO_CUT 8
/* A crash costs a worker and the start of the next one, and points at the
 * records more than another failure does: the second one is the last. */
#define CRASHES_TO_CUT 2

static void
set_reason(KabSet *set, KabClass class_, const char *reason)
{
    char *copy = reason && *reason ? g_strndup(reason, MESSAGE_MAX) : NULL;
    g_free(set->reason);
    set->reason = copy;
    set->last_class = class_;
}

static const char *
reason_of(const KabSet *set)
{
    return set->reason ? set->reason : "the function gave no reason";
}

static void
fail_all(KabEngine *engine, KabSet *set, KabClass class_)
{
    while (set->n) {
        KabSlot *slot = set->slots[0];
        g_autofree char *reason = g_strdup(reason_of(set));
        bool is_last = set->n == 1;
        kab_set_remove(engine, set, slot);
        kab_failure_apply(engine, slot, KAB_STAGE_FUNCTION, class_, reason);
        kab_slot_resolve(engine, slot);
        if (is_last)
            return;
    }
}

static void
retry_permanent(KabEngine *engine, KabSet *set, bool halves, bool learns)
{
    if (set->n > 1 && halves)
        kab_set_halve(engine, set, 0, true, learns);
    else
        fail_all(engine, set, KAB_CLASS_PERMANENT);
}

/* If other sets succeed, these records are the cause and there is no outage:
 * the back-off restarts, so that the good records among them need not wait. */
static int64_t
choose_delay(KabEngine *engine, KabSet *set, int64_t asked_us, bool is_last)
{
    if (is_last && set->n > 1 && engine->successes > set->successes_seen)
        set->step = 0;
    set->successes_seen = engine->successes;
    int64_t delay_us = asked_us;
    if (delay_us < 0)
        delay_us = kab_backoff_us(engine, set->step);
    set->step++;
    return delay_us;
}

/* Counts a failed call; true: it was the last. While the function is ill no
 * failure counts: it is an outage, and no fault of these records. */
static bool
count_call(KabEngine *engine, KabSet *set)
{
    unsigned limit = engine->options.retry_max_attempts;
    if (kab_limiter_is_ill(engine))
        return false;
    if (limit && set->last_class == KAB_CLASS_CRASH &&
        ++set->crashes >= CRASHES_TO_CUT &&
        (set->n == 1 || engine->options.bisect))
        return true;
    return limit && ++set->calls >= limit;
}

static bool
is_due_to_halve(const KabEngine *engine, const KabSet *set)
{
    return set->is_half && set->n > 1 && !kab_limiter_is_ill(engine);
}

/* A failure that does not count. Nothing that is called succeeds, so nobody can
 * tell an outage from records that fail each call. True: the set is to be
 * halved, so that good records get through and show which of the two it is. */
static bool
note_uncounted(KabSet *set)
{
    return ++set->uncounted % UNCOUNTED_TO_CUT == 0 && set->n > 1;
}

/* A call that failed as a whole; delay_us -1: the set's next back-off. */
static void
retry_whole(KabEngine *engine, KabSet *set, int64_t delay_us)
{
    bool is_stuck = kab_limiter_is_ill(engine) && note_uncounted(set) &&
                    engine->options.bisect;
    bool is_last = count_call(engine, set) || is_due_to_halve(engine, set);
    if (is_last && (set->n == 1 || !engine->options.bisect)) {
        fail_all(engine, set, set->last_class);
        return;
    }
    delay_us = choose_delay(engine, set, delay_us, is_last);
    if (is_last || is_stuck)
        kab_set_halve(engine, set, delay_us, is_last, false);
    else
        kab_set_wait(engine, set, delay_us);
}

/* A set that is overloaded while other sets succeed may hold one record that
 * always causes an overload: the set is halved, so that the record's
 * neighbours get through. For a single record the call counts, since it may be
 * what brings the service down. Where no other set is called none can succeed:
 * then every UNCOUNTED_TO_CUT-th overload halves the set. */
static void
retry_overloaded(KabEngine *engine, KabSet *set, int64_t retry_after_us)
{
    bool others_succeed =
        set->uncounted && engine->successes > set->successes_seen;
    bool is_stuck = note_uncounted(set);
    kab_limiter_pause(engine, retry_after_us);
    if (others_succeed && set->n == 1) {
        retry_whole(engine, set, 0);
        return;
    }
    set->successes_seen = engine->successes;
    if ((others_succeed || is_stuck) && set->n > 1)
        kab_set_halve(engine, set, 0, false, false);
    else
        kab_set_wait(engine, set, 0);
}

void
kab_retry_failed(KabEngine *engine,
                 KabSet *set,
                 KabFailure failure,
                 KabClass class_,
                 int64_t retry_after_us,
                 const char *reason)
{
    set_reason(set, class_, reason);
    switch (failure) {
    case KAB_FAIL_OVERLOAD:
        kab_limiter_note_failure(engine, set->family);
        retry_overloaded(engine, set, retry_after_us);
        return;
    case KAB_FAIL_PERMANENT:
        retry_permanent(engine, set, engine->options.bisect, false);
        return;
    case KAB_FAIL_TOO_LARGE:
        retry_permanent(engine, set, true, true);
        return;
    case KAB_FAIL_FATAL:
        kab_engine_stop(engine, KAB_STOP_FUNCTION, reason_of(set));
        kab_set_set_due(engine, set); /* never called: the engine drains */
        return;
    case KAB_FAIL_TRANSIENT:
    case KAB_FAIL_CRASH:
        break;
    }
    /* Also an unknown failure class: treated as transient. */
    kab_limiter_note_failure(engine, set->family);
    retry_whole(engine, set, retry_after_us);
}

/* These records each asked for a retry, or got no outcome: halving would tell
 * nothing, and they share the call count of their set. */
void
kab_retry_remainder(KabEngine *engine,
                    KabSet *set,
                    int64_t delay_us,
                    const char *reason)
{
    set_reason(set, KAB_CLASS_TRANSIENT, reason);
    if (count_call(engine, set))
        fail_all(engine, set, set->last_class);
    else
        kab_set_wait(engine, set, choose_delay(engine, set, delay_us, false));
}
