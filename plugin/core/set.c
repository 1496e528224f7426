/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: records called together, and their retry state.
 *
 * A set is in one of three places: called (set->call), waiting for its time
 * (timer), or due (the queue of due sets, oldest first). A set is called as
 * it is, never topped up, and is cut in two at the lane boundary nearest its
 * middle. Parts that share a lane that can be busy run one after another: a
 * part is blocked until its first record heads the lane.
 */
#include "work.h"

KabSet *
kab_set_new(KabEngine *engine, size_t capacity)
{
    KabSet *set = engine->free_sets;
    if (set)
        engine->free_sets = set->next;
    else
        set = g_new0(KabSet, 1);
    KabSlot **slots = set->slots;
    size_t old_capacity = set->capacity;
    if (old_capacity < capacity) {
        slots = g_renew(KabSlot *, slots, capacity);
        old_capacity = capacity;
    }
    *set = (KabSet){.slots = slots, .capacity = old_capacity};
    set->family = ++engine->families;
    set->last_class = KAB_CLASS_TRANSIENT;
    set->timer.kind = KAB_TIMER_RETRY;
    set->timer.owner = set;
    return set;
}

static void
leave_due(KabEngine *engine, KabSet *set)
{
    if (!set->is_due)
        return;
    if (set->previous)
        set->previous->next = set->next;
    else
        engine->due_first = set->next;
    if (set->next)
        set->next->previous = set->previous;
    else
        engine->due_last = set->previous;
    set->previous = set->next = NULL;
    set->is_due = false;
    engine->n_sets_waiting--;
}

void
kab_cut_unref(KabCut *cut)
{
    if (cut && --cut->references == 0)
        g_free(cut);
}

void
kab_set_free(KabEngine *engine, KabSet *set)
{
    leave_due(engine, set);
    if (kab_timer_is_armed(&set->timer)) {
        kab_timers_disarm(&engine->timers, &set->timer);
        engine->n_sets_waiting--;
    }
    if (set->call)
        set->call->set = NULL;
    kab_cut_unref(set->cut);
    g_clear_pointer(&set->reason, g_free);
    set->next = engine->free_sets;
    engine->free_sets = set;
}

/* Keeps the order of the set, and frees the set with its last slot. */
void
kab_set_remove(KabEngine *engine, KabSet *set, KabSlot *slot)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n; i++)
        if (set->slots[i] != slot)
            set->slots[kept++] = set->slots[i];
    set->n = kept;
    set->bytes -= slot->bytes;
    slot->set = NULL;
    if (!set->n)
        kab_set_free(engine, set);
}

void
kab_set_set_due(KabEngine *engine, KabSet *set)
{
    set->is_due = true;
    set->next = NULL;
    set->previous = engine->due_last;
    if (engine->due_last)
        engine->due_last->next = set;
    else
        engine->due_first = set;
    engine->due_last = set;
    engine->n_sets_waiting++;
}

void
kab_set_wait(KabEngine *engine, KabSet *set, int64_t delay_us)
{
    if (delay_us <= 0) {
        kab_set_set_due(engine, set);
        return;
    }
    kab_timers_arm(&engine->timers, &set->timer, engine->now + delay_us);
    engine->n_sets_waiting++;
}

bool
kab_set_is_blocked(const KabSet *set)
{
    const KabSlot *first = set->slots[0];
    return first->lane && first->lane->can_be_busy &&
           first->lane->outstanding.head != first;
}

/* The oldest due set that is not blocked; NULL: none. */
KabSet *
kab_set_find_due(const KabEngine *engine)
{
    KabSet *set = engine->due_first;
    while (set && kab_set_is_blocked(set))
        set = set->next;
    return set;
}

KabSet *
kab_set_take_due(KabEngine *engine)
{
    KabSet *set = kab_set_find_due(engine);
    if (set)
        leave_due(engine, set);
    return set;
}

bool
kab_set_park_leaving(KabEngine *engine, KabSet *set)
{
    for (size_t i = set->n; i-- > 0;) {
        KabSlot *slot = set->slots[i];
        if (!kab_partition_is_leaving(slot->partition))
            continue;
        bool is_last = set->n == 1;
        kab_slot_park(engine, slot);
        if (is_last)
            return false;
    }
    return true;
}

static size_t
find_cut(const KabSet *set)
{
    size_t middle = set->n / 2;
    for (size_t distance = 0; distance < set->n; distance++) {
        size_t low = middle - MIN(distance, middle), high = middle + distance;
        if (low > 0 && set->slots[low]->lane != set->slots[low - 1]->lane)
            return low;
        if (high > 0 && high < set->n &&
            set->slots[high]->lane != set->slots[high - 1]->lane)
            return high;
    }
    return middle;
}

static KabSet *
make_part(KabEngine *engine,
          const KabSet *whole,
          size_t from,
          size_t to,
          bool is_counted)
{
    unsigned limit = engine->options.retry_max_attempts;
    KabSet *part = kab_set_new(engine, to - from);
    for (size_t i = from; i < to; i++)
        kab_set_add(part, whole->slots[i]);
    part->trigger = KAB_TRIGGER_RETRY;
    part->number = whole->number;
    part->family = whole->family;
    part->step = whole->step;
    part->uncounted = whole->uncounted;
    part->successes_seen = whole->successes_seen;
    part->last_class = whole->last_class;
    part->reason = g_strdup(whole->reason);
    if (part->n == 1)
        part->calls = 0; /* a single record has calls of its own */
    else
        part->calls = whole->calls;
    part->is_half =
        part->n > 1 && is_counted && limit && engine->options.bisect;
    return part;
}

void
kab_set_halve(KabEngine *engine,
              KabSet *set,
              int64_t delay_us,
              bool is_counted,
              bool learns)
{
    size_t middle = find_cut(set);
    KabSet *parts[] = {make_part(engine, set, 0, middle, is_counted),
                       make_part(engine, set, middle, set->n, is_counted)};
    if (learns) {
        KabCut *cut = g_new0(KabCut, 1);
        cut->references = 2;
        cut->records = MAX(parts[0]->n, parts[1]->n);
        parts[0]->cut = parts[1]->cut = cut;
    }
    set->n = 0;
    kab_set_free(engine, set);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
        kab_set_wait(engine, parts[i], delay_us);
}

void
kab_slot_park(KabEngine *engine, KabSlot *slot)
{
    if (slot->set)
        kab_set_remove(engine, slot->set, slot);
    kab_lane_leave(engine, slot);
}
