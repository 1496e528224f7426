/* SPDX-License-Identifier: Apache-2.0 */
/* Is the function ill? Two different sets failed, with no success between.
 *
 * A set is never topped up, and its parts belong to it: the serial of its
 * records' first call identifies it. Here the function may be ill for longer
 * than in the engine, never for shorter: the engine must have counted every
 * failure outside of such a time.
 */
#include "sim.h"

void
health_note_call(Member *member, const Call *call)
{
    member->health.last_serial = call->serial;
    for (size_t i = 0; i < call->n; i++)
        if (!call->messages[i]->calls)
            call->messages[i]->family = call->serial;
}

static void
begin_probing(Health *health)
{
    health->is_probing = true;
    health->probes_since = health->last_serial;
}

static void
note_success(Health *health, const Call *call)
{
    if (health->is_probing && call->serial <= health->probes_since)
        return;
    health->is_probing = health->is_ill = false;
    health->failed_family = 0;
}

static void
note_failure(Health *health, const Call *call)
{
    uint64_t family = call->messages[0]->family;
    bool is_other = health->failed_family && health->failed_family != family;
    health->failed_family = family;
    health->is_ill |= is_other;
    if (!health->is_ill)
        return;
    begin_probing(health);
    call->member->flushes = false;
}

static bool
has_outcome(const Call *call)
{
    for (size_t i = 0; i < call->n; i++)
        if (call->messages[i]->call == call && call->messages[i]->is_resolved)
            return true;
    return false;
}

void
health_note_end(const Call *call, const KabAnswer *answer)
{
    Health *health = &call->member->health;
    if (!answer) {
        note_failure(health, call);
        return;
    }
    if (!answer->failed) {
        if (has_outcome(call))
            note_success(health, call);
        return;
    }
    switch (answer->failure) {
    case KAB_FAIL_OVERLOAD:
        note_failure(health, call);
        begin_probing(health);
        break;
    case KAB_FAIL_TRANSIENT:
    case KAB_FAIL_CRASH:
        note_failure(health, call);
        break;
    case KAB_FAIL_PERMANENT:
    case KAB_FAIL_TOO_LARGE:
        note_success(health, call);
        break;
    case KAB_FAIL_FATAL:
        break;
    }
}
