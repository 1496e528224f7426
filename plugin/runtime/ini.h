/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the configuration file: sections, keys, values, lines.
 *
 * Knows no options. Comments (# or ;) stand at the beginning of a line only. A
 * value runs to the end of its line, without surrounding blanks, otherwise
 * verbatim. A byte-order mark and CRLF are accepted. In values, ${NAME} is an
 * environment variable, ${NAME:-default} has a default for an unset or empty
 * one, ${file:PATH} is the content of a file without its last newline, and $$
 * is a dollar sign. Nothing stops the reader: it continues after every fault.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* How to look up ${…}. Each function returns a new string, or NULL with a
 * sentence in *ret_problem ("found …; wanted …", owned by the caller). */
typedef struct {
    char *(*get_variable)(void *user, const char *name);
    char *(*get_file)(void *user, const char *path, char **ret_problem);
    void *user;
} KabIniWorld;

/* The environment and files of the process. */
extern const KabIniWorld kab_ini_world;

/* What a value was made from besides its line. */
typedef enum {
    KAB_INI_VERBATIM,
    KAB_INI_EXPANDED, /* contains text of the environment or a file */
} KabIniOrigin;

/* Owned by its section. */
typedef struct {
    char *key;
    char *value; /* expanded; NULL: expansion failed and a fault was added */
    unsigned line;
    KabIniOrigin origin;
} KabIniEntry;

/* name: blanks collapsed. Owned by the file. */
typedef struct {
    char *name;
    unsigned line;
    GPtrArray *entries; /* KabIniEntry, in file order, each key once */
    GHashTable *by_key; /* of the same entries */
} KabIniSection;

/* key NULL: a fault of the section as a whole; section NULL: of the file. */
typedef struct {
    unsigned line;
    char *section, *key;
    char *sentence; /* "found …; wanted …" */
} KabIniFault;

typedef struct {
    GPtrArray *sections; /* KabIniSection, in file order, each name once */
    GHashTable *by_name; /* of the same sections */
    GPtrArray *faults;   /* KabIniFault */
} KabIni;

/* Borrows text and world. Returns a new file for any text, valid or not. */
KabIni *
kab_ini_new(const char *text, size_t text_len, const KabIniWorld *world);
void kab_ini_free(KabIni *ini);

/* The section; NULL: none. */
KabIniSection *kab_ini_find(const KabIni *ini, const char *section);
KabIniEntry *kab_ini_section_find(const KabIniSection *section,
                                  const char *key);
/* A new section has line 0; a new entry has line 0 and no value. */
KabIniSection *kab_ini_find_or_add(KabIni *ini, const char *section);
KabIniEntry *kab_ini_section_find_or_add(KabIniSection *section,
                                         const char *key);

/* Expands ${…} in one value. Returns a new string, or NULL with a sentence in
 * *ret_problem. *ret_origin is set in both cases. */
char *kab_ini_expand(const char *value,
                     const KabIniWorld *world,
                     KabIniOrigin *ret_origin,
                     char **ret_problem);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabIni, kab_ini_free)
