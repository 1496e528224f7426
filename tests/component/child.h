/* SPDX-License-Identifier: Apache-2.0 */
/* A process under test: its standard error is read line by line, its short
 * standard output when it has ended. Every function asserts on the test's
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <glib.h>

typedef struct {
    GPid pid; /* 0: ended, or never started */
    FILE *errors, *results;
    GString *log; /* lines of standard error read so far */
    char *output; /* standard output; NULL until it has exited */
} Child;

Child child_spawn(const char *const *argv);
/* Starts the kabridge command of this build; words: NULL-terminated, the verb
 * first. */
Child child_spawn_command(const char *const *words);
/* Kills the process if it still runs, and frees what it holds. */
void child_clear(Child *child);
void child_signal(const Child *child, int number);
/* False: the process has closed its standard error. */
bool child_read_line(Child *child, char **ret_line);
/* Reads until a line contains the text. Returns the rest of that line, a new
 * string. */
char *child_dup_after(Child *child, const char *wanted);
void child_wait_for(Child *child, const char *wanted);
/* Reads standard output to its end: before child_assert_exit() if it is more
 * than a pipe takes. Returns a new string. */
char *child_dup_results(Child *child);
/* Reads to the end of standard error; asserts the exit status. */
void child_assert_exit(Child *child, int status);
/* Waits for the end without reading; asserts the exit status. */
void child_assert_status(Child *child, int status);
/* Polls its admin server until the answer contains the text: a state change in
 * another process cannot wake the test. */
void child_await(const char *url, const char *path, const char *text);
/* Asserts that a line read so far contains the text. */
void child_assert_said(const Child *child, const char *text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Child, child_clear)

#define COMMAND(...)                                                           \
    child_spawn_command((const char *const[]){__VA_ARGS__, NULL})
