/* SPDX-License-Identifier: Apache-2.0 */
/* Colour and progress: only on a terminal, and not if NO_COLOR is set. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

#define KAB_STYLES(X)                                                          \
    X(PLAIN, "0")                                                              \
    X(BOLD, "1")                                                               \
    X(SOFT, "2")                                                               \
    X(RED, "31")                                                               \
    X(GREEN, "32")                                                             \
    X(YELLOW, "33")                                                            \
    X(BLUE, "34")

typedef enum {
#define X(NAME, code) KAB_STYLE_##NAME,
    KAB_STYLES(X)
#undef X
} KabStyle;

/* What a stream supports. */
typedef struct {
    FILE *stream;
    bool is_terminal, has_colour;
} KabTerminal;

KabTerminal kab_terminal_of(FILE *stream);
/* The escape sequence that begins a style (PLAIN ends it); "" without colour.
 * Static. */
const char *kab_terminal_style(const KabTerminal *terminal, KabStyle style);
/* Replaces the last line of a terminal; does nothing elsewhere. */
void kab_terminal_progress(const KabTerminal *terminal, const char *line);
/* A bar of `width` cells for a share between 0 and 1. Returns a new string. */
char *kab_terminal_dup_bar(double share, unsigned width);
