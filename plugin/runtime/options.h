/* SPDX-License-Identifier: Apache-2.0 */
/* Every option of the configuration file, declared once.
 *
 * The table (options-table.h) provides parsing, ranges, defaults, the
 * reference, the manual page and completion. A new option is a row there plus a
 * field of the settings. Constant; thread: any.
 */
#pragma once

#include "options-value.h"

#define KAB_SECTIONS(X)                                                        \
    X(KAFKA, "kafka", "librdkafka properties of every client")                 \
    X(BINDING, "binding", "one section a binding, any number")                 \
    X(ADMIN, "admin", "the HTTP server for metrics, health and status")        \
    X(LOG, "log", "log lines on standard error")                               \
    X(MODULES, "modules", "where functions are found")                         \
    X(BRIDGE, "bridge", "the process as a whole")

typedef enum {
#define X(NAME, text, help) KAB_SECTION_##NAME,
    KAB_SECTIONS(X)
#undef X
} KabSection;
enum { KAB_N_SECTIONS = KAB_SECTION_BRIDGE + 1 };

enum {
    KAB_ROW_REQUIRED = 1u << 0,
    KAB_ROW_RELOADABLE = 1u << 1, /* SIGHUP changes it in place */
    KAB_ROW_SECRET = 1u << 2,
};

/* Modes of a binding in which some options have another default. */
enum {
    KAB_MODE_ADAPTIVE = 1u << 0,
    KAB_MODE_EXACTLY_ONCE = 1u << 1,
};

/* One option. A name that ends in * stands for any key with that prefix; its
 * values are parsed elsewhere. */
typedef struct {
    KabSection section;
    const char *name;
    KabValueRule rule;
    size_t offset, size;       /* of its field in the section's structure */
    const char *default_value; /* NULL: none, or derived by the settings */
    const char *mode_default;  /* default in one of `modes`; NULL: the same */
    unsigned modes;            /* KAB_MODE_* */
    const char *default_words; /* default in words, for the reference; NULL: its
                                * value */
    const int *numbers;        /* values of the choices; NULL: their index */
    unsigned flags;
    const char *help;
} KabOptionRow;

const KabOptionRow *kab_options(size_t *ret_n);
/* NULL: no such option. */
const KabOptionRow *kab_options_find(KabSection section, const char *name);
const char *kab_options_nearest(KabSection section, const char *name);
bool kab_option_is_prefix(const KabOptionRow *row);
const char *kab_section_name(KabSection section);

/* Stores the value in the row's field of the section's structure; frees the old
 * text or list. False: it does not fit. */
bool
kab_option_store(const KabOptionRow *row, void *structure, const char *text);
/* True if the option's default is none: an empty text then sets it to none. */
bool kab_option_may_be_empty(const KabOptionRow *row);
/* NULL: none, or derived by the settings. Borrowed. */
const char *kab_option_default(const KabOptionRow *row, unsigned modes);
/* The default as shown in the reference. Borrowed. */
const char *kab_option_default_words(const KabOptionRow *row);

#define KAB_OPTIONS_FORMATS(X)                                                 \
    X(TEXT, "text")                                                            \
    X(MARKDOWN, "markdown")                                                    \
    X(MAN, "man")

typedef enum {
#define X(NAME, text) KAB_OPTIONS_##NAME,
    KAB_OPTIONS_FORMATS(X)
#undef X
} KabOptionsFormat;

/* The reference of every option. Returns a new string. */
char *kab_options_dup_reference(KabOptionsFormat format);
