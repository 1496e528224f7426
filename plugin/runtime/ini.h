/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of the configuration file: sections, keys, values, lines.
 *
 * Knows no option. Comments (# or ;) stand at the beginning of a line only;
 * a value runs to the end of its line, without blanks around it, otherwise
 * verbatim; a byte-order mark and CRLF are accepted. In values ${NAME} is the
 * environment's, ${NAME:-default} with a default for unset and empty ones,
 * ${file:PATH} the content of a file without its last newline, $$ a dollar.
 * Nothing stops the reader: it goes on after every fault.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* What ${…} stands for. Returns a new string, or NULL with a sentence in
 * *ret_problem ("found …; wanted …", owned by the caller). */
typedef struct {
    char *(*get_variable)(void *user, const char *name);
    char *(*get_file)(void *user, const char *path, char **ret_problem);
    void *user;
} KabIniWorld;

/* The process's environment and files. */
extern const KabIniWorld kab_ini_world;

/* Where a value came from besides its line. */
typedef enum {
    KAB_INI_VERBATIM,
    KAB_INI_EXPANDED, /* with the environment or a file in it */
} KabIniOrigin;

/* Owned by its section. */
typedef struct {
    char *key;
    char *value; /* expanded; NULL: it could not be, there is a fault */
    unsigned line;
    KabIniOrigin origin;
} KabIniEntry;

/* name: with single blanks. Owned by the file. */
typedef struct {
    char *name;
    unsigned line;
    GPtrArray *entries; /* KabIniEntry, in their order, each key once */
} KabIniSection;

/* key NULL: of the section as a whole; section NULL: of the file. */
typedef struct {
    unsigned line;
    char *section, *key;
    char *sentence; /* "found …; wanted …" */
} KabIniFault;

typedef struct {
    GPtrArray *sections; /* KabIniSection, in their order, each name once */
    GPtrArray *faults;   /* KabIniFault */
} KabIni;

/* Borrows text and world. Returns a new file, whatever the text. */
KabIni *
kab_ini_new(const char *text, size_t text_len, const KabIniWorld *world);
void kab_ini_free(KabIni *ini);

/* NULL: there is none. */
KabIniSection *kab_ini_find(const KabIni *ini, const char *section);
KabIniEntry *kab_ini_section_find(const KabIniSection *section,
                                  const char *key);
/* New ones have line 0 and no value. */
KabIniSection *kab_ini_find_or_add(KabIni *ini, const char *section);
KabIniEntry *kab_ini_section_find_or_add(KabIniSection *section,
                                         const char *key);

/* ${…} in one value. Returns a new string, or NULL with a sentence in
 * *ret_problem. *ret_origin is set in both cases. */
char *kab_ini_expand(const char *value,
                     const KabIniWorld *world,
                     KabIniOrigin *ret_origin,
                     char **ret_problem);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabIni, kab_ini_free)
