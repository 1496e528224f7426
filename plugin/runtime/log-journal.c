/* SPDX-License-Identifier: Apache-2.0 */
/* A packed line: its number of fields and its level, then of each field the
 * name with its NUL, the length of the value, and the value. */
#include "log-journal.h"

#include <string.h>

enum { MAX_FIELDS = 32 };

static void
append_number(GString *packed, uint32_t number)
{
    g_string_append_len(packed, (const char *)&number, sizeof number);
}

static uint32_t
take_number(const char **at)
{
    uint32_t number;
    memcpy(&number, *at, sizeof number);
    *at += sizeof number;
    return number;
}

GString *
kab_log_journal_pack(GLogLevelFlags level,
                     const GLogField *fields,
                     size_t n_fields)
{
    GString *packed = g_string_sized_new(256);
    n_fields = MIN(n_fields, MAX_FIELDS);
    append_number(packed, (uint32_t)n_fields);
    append_number(packed, (uint32_t)level);
    for (size_t i = 0; i < n_fields; i++) {
        size_t len = fields[i].length < 0 ? strlen(fields[i].value)
                                          : (size_t)fields[i].length;
        g_string_append_len(packed, fields[i].key,
                            (gssize)strlen(fields[i].key) + 1);
        append_number(packed, (uint32_t)len);
        g_string_append_len(packed, fields[i].value, (gssize)len);
    }
    return packed;
}

/* Returns the end of the line. */
static const char *
send_line(const KabLogJournal *journal, const char *at)
{
    GLogField fields[MAX_FIELDS];
    uint32_t n_fields = take_number(&at);
    GLogLevelFlags level = (GLogLevelFlags)take_number(&at);
    for (uint32_t i = 0; i < n_fields; i++) {
        const char *key = at;
        at += strlen(key) + 1;
        uint32_t len = take_number(&at);
        fields[i] = (GLogField){key, at, len};
        at += len;
    }
    if (journal->send(level, fields, n_fields, NULL) != G_LOG_WRITER_HANDLED)
        journal->fall_back(level, fields, n_fields);
    return at;
}

/* What the journal does not take is written elsewhere: nothing is lost here. */
uint64_t
kab_log_journal_write(void *journal, const char *packed, size_t len)
{
    for (const char *at = packed; at < packed + len;)
        at = send_line(journal, at);
    return 0;
}
