/* SPDX-License-Identifier: Apache-2.0 */
/* Turns lines into sections and entries. An entry is kept even if its value
 * cannot be expanded, so that later checks do not report it as missing.
 */
#include "ini.h"

#include <string.h>

#include "options-value.h"

enum { LONGEST_LINE = 64 * 1024 };

/* State of one kab_ini_new(). */
typedef struct {
    KabIni *ini;
    const KabIniWorld *world;
    KabIniSection *section; /* the section being read; NULL: none yet */
    bool is_skipping;       /* inside a section with an invalid header */
    unsigned line;
} KabIniReader;

static void
entry_free(void *data)
{
    KabIniEntry *entry = data;
    g_free(entry->key);
    g_free(entry->value);
    g_free(entry);
}

static void
section_free(void *data)
{
    KabIniSection *section = data;
    g_hash_table_unref(section->by_key);
    g_free(section->name);
    g_ptr_array_unref(section->entries);
    g_free(section);
}

static void
fault_free(void *data)
{
    KabIniFault *fault = data;
    g_free(fault->section);
    g_free(fault->key);
    g_free(fault->sentence);
    g_free(fault);
}

/* Takes sentence. */
static void
add_fault(KabIniReader *reader, const char *key, char *sentence)
{
    KabIniFault *fault = g_new0(KabIniFault, 1);
    fault->line = reader->line;
    fault->section = g_strdup(reader->section ? reader->section->name : NULL);
    fault->key = g_strdup(key);
    fault->sentence = sentence;
    g_ptr_array_add(reader->ini->faults, fault);
}

/* "binding   scoring" and "binding scoring" are one section. */
static char *
dup_single_blanks(const char *text)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    for (char **word = words; *word; word++)
        if (**word)
            g_strv_builder_add(builder, *word);
    g_auto(GStrv) kept = g_strv_builder_end(builder);
    return g_strjoinv(" ", kept);
}

static void
read_header(KabIniReader *reader, const char *line)
{
    size_t len = strlen(line);
    reader->is_skipping = len < 2 || line[len - 1] != ']';
    if (reader->is_skipping) {
        reader->section = NULL;
        add_fault(reader, NULL,
                  g_strdup("found a [ without its ] at the end of the line; "
                           "wanted [section]"));
        return;
    }
    g_autofree char *inside = g_strndup(line + 1, len - 2);
    g_autofree char *name = dup_single_blanks(inside);
    KabIniSection *earlier = kab_ini_find(reader->ini, name);
    reader->section = earlier;
    if (earlier) {
        add_fault(reader, NULL,
                  g_strdup_printf("found this section a second time, the "
                                  "first is in line %u; wanted it once",
                                  earlier->line));
        return;
    }
    reader->section = kab_ini_find_or_add(reader->ini, name);
    reader->section->line = reader->line;
}

static void
add_entry(KabIniReader *reader, const char *key, const char *raw)
{
    KabIniEntry *earlier = kab_ini_section_find(reader->section, key);
    if (earlier) {
        add_fault(reader, key,
                  g_strdup_printf("found this key a second time, the first "
                                  "is in line %u; wanted it once",
                                  earlier->line));
        return;
    }
    char *problem = NULL;
    KabIniEntry *entry = kab_ini_section_find_or_add(reader->section, key);
    entry->line = reader->line;
    entry->value = kab_ini_expand(raw, reader->world, &entry->origin, &problem);
    if (problem)
        add_fault(reader, key, problem);
}

/* Faults never quote the line: it may hold a secret. */
static void
read_entry(KabIniReader *reader, char *line)
{
    char *equals = strchr(line, '=');
    if (*line == '#' || *line == ';') {
        add_fault(reader, NULL,
                  g_strdup_printf("found %c behind blanks; wanted a comment to "
                                  "begin at the beginning of its line",
                                  *line));
    } else if (!equals || equals == line) {
        add_fault(reader, NULL,
                  g_strdup_printf("found a line without %s; wanted key = "
                                  "value, [section] or # comment",
                                  equals ? "a key" : "="));
    } else if (!reader->section) {
        add_fault(reader, NULL,
                  g_strdup("found a key before any section; wanted [section] "
                           "above it"));
    } else {
        *equals = '\0';
        add_entry(reader, g_strchomp(line), g_strchug(equals + 1));
    }
}

static void
read_line(KabIniReader *reader, const char *start, size_t len)
{
    if (len && start[len - 1] == '\r')
        len--;
    if (!len || *start == '#' || *start == ';')
        return;
    if (len > LONGEST_LINE || memchr(start, '\0', len) ||
        !g_utf8_validate(start, (gssize)len, NULL)) {
        add_fault(reader, NULL,
                  g_strdup(len > LONGEST_LINE
                               ? "found a line of more than 65536 bytes; "
                                 "wanted a shorter one"
                               : "found bytes that are no text; wanted UTF-8 "
                                 "without NUL"));
        return;
    }
    g_autofree char *copy = g_strndup(start, len);
    char *line = g_strstrip(copy);
    if (*line == '[')
        read_header(reader, line);
    else if (*line && !reader->is_skipping)
        read_entry(reader, line);
}

KabIni *
kab_ini_new(const char *text, size_t text_len, const KabIniWorld *world)
{
    static const char mark[] = "\xEF\xBB\xBF";
    KabIni *ini = g_new0(KabIni, 1);
    ini->sections = g_ptr_array_new_with_free_func(section_free);
    ini->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    ini->faults = g_ptr_array_new_with_free_func(fault_free);
    KabIniReader reader = {.ini = ini, .world = world};
    const char *at = text, *end = text + text_len;
    if (text_len >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
        at += strlen(mark);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        reader.line++;
        read_line(&reader, at, (size_t)((newline ? newline : end) - at));
        at = newline ? newline + 1 : end;
    }
    return ini;
}

void
kab_ini_free(KabIni *ini)
{
    if (!ini)
        return;
    g_hash_table_unref(ini->by_name);
    g_ptr_array_unref(ini->sections);
    g_ptr_array_unref(ini->faults);
    g_free(ini);
}

KabIniSection *
kab_ini_find(const KabIni *ini, const char *section)
{
    return g_hash_table_lookup(ini->by_name, section);
}

KabIniEntry *
kab_ini_section_find(const KabIniSection *section, const char *key)
{
    return g_hash_table_lookup(section->by_key, key);
}

KabIniSection *
kab_ini_find_or_add(KabIni *ini, const char *name)
{
    KabIniSection *section = kab_ini_find(ini, name);
    if (section)
        return section;
    section = g_new0(KabIniSection, 1);
    section->name = g_strdup(name);
    section->entries = g_ptr_array_new_with_free_func(entry_free);
    section->by_key = g_hash_table_new(g_str_hash, g_str_equal);
    g_ptr_array_add(ini->sections, section);
    g_hash_table_insert(ini->by_name, section->name, section);
    return section;
}

KabIniEntry *
kab_ini_section_find_or_add(KabIniSection *section, const char *key)
{
    KabIniEntry *entry = kab_ini_section_find(section, key);
    if (entry)
        return entry;
    entry = g_new0(KabIniEntry, 1);
    entry->key = g_strdup(key);
    g_ptr_array_add(section->entries, entry);
    g_hash_table_insert(section->by_key, entry->key, entry);
    return entry;
}
