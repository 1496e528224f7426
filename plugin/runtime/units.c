/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include <pthread.h>
#include <string.h>

#include <glib.h>

/* GLib locks, too, but in a way that a thread sanitizer does not see. */
static const char *
intern_name(const char *name)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    const char *interned = g_intern_string(name);
    pthread_mutex_unlock(&mutex);
    return interned;
}

/* Claims slot i for `name` if it is free; returns the slot's name. */
static const char *
claim_slot(KabUnits *units, size_t i, const char *name)
{
    const char *found = atomic_load(&units->slots[i].name);
    if (found)
        return found;
    const char *interned = intern_name(name);
    if (atomic_compare_exchange_strong(&units->slots[i].name, &found, interned))
        return interned;
    return found;
}

bool
kab_units_add(KabUnits *units, const char *name, uint64_t n)
{
    for (size_t i = 0; i < KAB_MAX_UNITS; i++) {
        if (strcmp(claim_slot(units, i, name), name) != 0)
            continue;
        atomic_fetch_add_explicit(&units->slots[i].n, n, memory_order_relaxed);
        return true;
    }
    return false;
}

size_t
kab_units_read(KabUnits *units, KabUnitCount *ret_counts)
{
    size_t n = 0;
    for (; n < KAB_MAX_UNITS; n++) {
        const char *name = atomic_load(&units->slots[n].name);
        if (!name)
            break;
        ret_counts[n] = (KabUnitCount){name, atomic_load(&units->slots[n].n)};
    }
    return n;
}
