/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options: finds rows, and stores values into fields. */
#include "options.h"

#include <string.h>

#include "options-table.h"

const KabOptionRow *
kab_options(size_t *ret_n)
{
    *ret_n = G_N_ELEMENTS(option_table);
    return option_table;
}

const char *
kab_section_name(KabSection section)
{
    static const char *const names[] = {
#define X(NAME, text, help) text,
        KAB_SECTIONS(X)
#undef X
    };
    return names[section];
}

bool
kab_option_is_prefix(const KabOptionRow *row)
{
    return g_str_has_suffix(row->name, "*");
}

const KabOptionRow *
kab_options_find(KabSection section, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(option_table); i++)
        if (option_table[i].section == section &&
            !kab_option_is_prefix(&option_table[i]) &&
            strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    return NULL;
}

const char *
kab_options_nearest(KabSection section, const char *name)
{
    const char *names[G_N_ELEMENTS(option_table)];
    size_t n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(option_table); i++)
        if (option_table[i].section == section &&
            !kab_option_is_prefix(&option_table[i]))
            names[n++] = option_table[i].name;
    return kab_nearest(name, names, n);
}

bool
kab_option_may_be_empty(const KabOptionRow *row)
{
    bool is_text =
        row->rule.type == KAB_VALUE_STRING || row->rule.type == KAB_VALUE_LIST;
    return is_text && !(row->flags & KAB_ROW_REQUIRED);
}

const char *
kab_option_default(const KabOptionRow *row, unsigned modes)
{
    return row->modes & modes ? row->mode_default : row->default_value;
}

const char *
kab_option_default_words(const KabOptionRow *row)
{
    if (row->default_words)
        return row->default_words;
    if (row->default_value)
        return row->default_value;
    return row->flags & KAB_ROW_REQUIRED ? "required" : "none";
}

static void
store_text(const KabOptionRow *row, void *field, const char *text)
{
    char **owned = field;
    bool is_none =
        !*text || (row->rule.word && strcmp(text, row->rule.word) == 0);
    g_free(*owned);
    *owned = is_none ? NULL : g_strdup(text);
}

/* Blanks around entries, and empty entries, are ignored. */
static void
store_list(void *field, const char *text)
{
    char ***owned = field;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) entries = g_strsplit(text, ",", -1);
    for (char **entry = entries; *entry; entry++)
        if (*g_strstrip(*entry))
            g_strv_builder_add(builder, *entry);
    g_strfreev(*owned);
    *owned = g_strv_builder_end(builder);
}

static void
store_number(const KabOptionRow *row, void *field, int64_t number)
{
    int32_t narrow = (int32_t)number;
    bool is_true = number != 0;
    if (row->size == sizeof is_true)
        memcpy(field, &is_true, sizeof is_true);
    else if (row->size == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &number, sizeof number);
}

static void
store_value(const KabOptionRow *row, void *structure, const KabValue *value)
{
    void *field = (char *)structure + row->offset;
    switch (row->rule.type) {
    case KAB_VALUE_CHOICE:
        store_number(row, field,
                     row->numbers ? row->numbers[value->number]
                                  : value->number);
        return;
    case KAB_VALUE_RATIO:
        *(double *)field = value->ratio;
        return;
    case KAB_VALUE_RATE:
        store_number(row, field, value->number);
        ((KabBindingSettings *)structure)->engine.rate_limit_interval_us =
            value->interval_us;
        return;
    case KAB_VALUE_INTEGER:
    case KAB_VALUE_SIZE:
    case KAB_VALUE_DURATION:
    case KAB_VALUE_BOOLEAN:
        store_number(row, field, value->number);
        return;
    case KAB_VALUE_NONE:
    case KAB_VALUE_STRING:
    case KAB_VALUE_LIST:
        return;
    }
}

bool
kab_option_store(const KabOptionRow *row, void *structure, const char *text)
{
    KabValue value;
    void *field = (char *)structure + row->offset;
    if (!kab_value_parse(&row->rule, text, &value))
        return false;
    if (!row->size)
        return true;
    if (row->rule.type == KAB_VALUE_STRING)
        store_text(row, field, text);
    else if (row->rule.type == KAB_VALUE_LIST)
        store_list(field, text);
    else
        store_value(row, structure, &value);
    return true;
}
