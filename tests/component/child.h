/* SPDX-License-Identifier: Apache-2.0 */
/* A process under test: its standard error is read line by line, its short
 * standard output at its end. Every function asserts on the test's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

typedef struct {
    GPid pid; /* 0: ended, or never begun */
    FILE *errors, *results;
    GString *log; /* lines of standard error that were read */
    char *output; /* standard output; NULL until it has exited */
} Child;

Child child_spawn(const char *const *argv);
/* The command of this build; words: NULL-terminated, the verb first. */
Child child_spawn_command(const char *const *words);
/* Ends it, if it has not ended. */
void child_clear(Child *child);
void child_signal(const Child *child, int number);
/* False: the process has closed its standard error. */
bool child_read_line(Child *child, char **ret_line);
/* Reads on to a line with that text. Returns what is behind it, a new
 * string. */
char *child_dup_after(Child *child, const char *wanted);
void child_wait_for(Child *child, const char *wanted);
/* Reads on to the end. */
void child_assert_exit(Child *child, int status);
/* Asks its admin server again and again until the answer holds the text:
 * another process's state wakes nobody here. */
void child_await(const char *url, const char *path, const char *text);
/* Was it in a line that was read? */
void child_assert_said(const Child *child, const char *text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Child, child_clear)

#define COMMAND(...)                                                           \
    child_spawn_command((const char *const[]){__VA_ARGS__, NULL})
