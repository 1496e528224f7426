/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness: turns the current obstacle into a few log lines. */
#include "readiness.h"

#include <inttypes.h>

#include <glib.h>

#define SECOND G_USEC_PER_SEC
/* A start takes a few seconds; only a longer one is logged. */
#define START_US (5 * SECOND)
/* A pause or rebalance shorter than this is not worth a line. */
#define MOMENT_US (2 * SECOND)
#define REMINDER_US (600 * SECOND)
/* Allowance of lines: this many at once, then one per REFILL_US. */
enum { MOST_LINES = 10 };
#define REFILL_US (120 * SECOND)

const char *
kab_obstacle_name(KabObstacle obstacle)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_OBSTACLE_##NAME] = text,
        KAB_OBSTACLES(X)
#undef X
    };
    return names[obstacle];
}

/* Takes the sentence. Returns it with the number of suppressed lines. */
static char *
end_sentence(KabReadiness *readiness, char *sentence, int64_t now)
{
    unsigned n = readiness->lines.n_left_out;
    readiness->lines.n_left_out = 0;
    readiness->told = readiness->obstacle;
    readiness->told_us = now;
    if (!n)
        return sentence;
    char *longer =
        g_strdup_printf("%s (%u changes were not logged)", sentence, n);
    g_free(sentence);
    return longer;
}

static char *
dup_seconds(int64_t time_us)
{
    int64_t s = time_us / SECOND;
    if (s < 10)
        return g_strdup_printf("%" PRIi64 ".%" PRIi64 " s", s,
                               time_us % SECOND / (SECOND / 10));
    if (s < 120)
        return g_strdup_printf("%" PRIi64 " s", s);
    return g_strdup_printf("%" PRIi64 " min %" PRIi64 " s", s / 60, s % 60);
}

/* --- Ready ------------------------------------------------------------- */

static char *
note_ready(KabReadiness *readiness, int64_t now, KabLogLevel *ret_level)
{
    bool was_once = readiness->was_ready_once, is_told = readiness->is_told;
    int64_t lasted_us = now - readiness->since_us;
    readiness->is_ready = readiness->was_ready_once = true;
    readiness->is_told = false;
    readiness->since_us = now;
    if (was_once && !is_told)
        return NULL;
    g_autofree char *lasted = dup_seconds(lasted_us);
    *ret_level = KAB_LOG_INFO;
    char *sentence =
        was_once ? g_strdup_printf("ready again: it was not ready for %s (%s)",
                                   lasted, kab_obstacle_name(readiness->told))
                 : g_strdup_printf("ready: the start took %s", lasted);
    return end_sentence(readiness, sentence, now);
}

/* --- Not ready --------------------------------------------------------- */

/* Obstacles that every rebalance and every pause brings. */
static bool
may_pass_soon(KabObstacle obstacle)
{
    return obstacle == KAB_OBSTACLE_GROUP ||
           obstacle == KAB_OBSTACLE_PRODUCER ||
           obstacle == KAB_OBSTACLE_TRANSACTION ||
           obstacle == KAB_OBSTACLE_OVERLOAD;
}

static bool
is_due(const KabReadiness *readiness, int64_t now)
{
    int64_t lasted_us = now - readiness->since_us;
    if (readiness->is_told)
        return readiness->told != readiness->obstacle ||
               now - readiness->told_us >= REMINDER_US;
    if (!readiness->was_ready_once)
        return lasted_us >= START_US;
    return !may_pass_soon(readiness->obstacle) || lasted_us >= MOMENT_US;
}

static char *
dup_obstacle_line(const KabReadiness *readiness,
                  const char *reason,
                  int64_t now)
{
    int64_t lasted_us = now - readiness->since_us;
    g_autofree char *lasted = dup_seconds(lasted_us);
    if (readiness->is_told)
        return g_strdup_printf("still not ready after %s: %s", lasted, reason);
    if (!readiness->was_ready_once)
        return g_strdup_printf("not ready %s after its start: %s", lasted,
                               reason);
    if (lasted_us < SECOND)
        return g_strdup_printf("not ready: %s", reason);
    return g_strdup_printf("not ready for %s: %s", lasted, reason);
}

static char *
note_obstacle(KabReadiness *readiness,
              const char *reason,
              int64_t now,
              KabLogLevel *ret_level)
{
    if (readiness->is_ready)
        readiness->since_us = now;
    readiness->is_ready = false;
    if (!is_due(readiness, now))
        return NULL;
    if (!kab_allowance_take(&readiness->lines, MOST_LINES, REFILL_US, now)) {
        readiness->lines.n_left_out += readiness->told != readiness->obstacle;
        readiness->told = readiness->obstacle;
        return NULL;
    }
    *ret_level = KAB_LOG_WARNING;
    char *sentence = dup_obstacle_line(readiness, reason, now);
    readiness->is_told = true;
    return end_sentence(readiness, sentence, now);
}

char *
kab_readiness_note(KabReadiness *readiness,
                   KabObstacle obstacle,
                   const char *reason,
                   int64_t now,
                   KabLogLevel *ret_level)
{
    readiness->obstacle = obstacle;
    /* The states of a stopping binding are logged already. */
    if (obstacle == KAB_OBSTACLE_STOP) {
        readiness->is_ready = false;
        return NULL;
    }
    if (obstacle != KAB_OBSTACLE_NONE)
        return note_obstacle(readiness, reason, now, ret_level);
    return readiness->is_ready ? NULL : note_ready(readiness, now, ret_level);
}
