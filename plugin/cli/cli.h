/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the command. Each verb has a file of its name and one function,
 * which gets the arguments from its own name on and returns the exit status. A
 * new verb is a row of the table in main.c.
 *
 * Data goes to standard output, diagnostics to standard error.
 */
#pragma once

#include "kabridge/error.h"

#define KAB_VERBS(X)                                                           \
    X(run, "runs the bindings of a configuration")                             \
    X(check, "validates a configuration")                                      \
    X(demo, "the main job on an embedded broker, nothing to configure")        \
    X(dlq, "lists dead letters, or sends them back")                           \
    X(functions, "the functions that can be named, with their options")        \
    X(new, "makes a project for a function of your own")                       \
    X(options, "every option of the configuration file")                       \
    X(ready, "exits with 0 if a running bridge is ready, else says why not")    \
    X(skip, "marks one record finished while the bridge is stopped")           \
    X(tap, "records as they pass through a running bridge")                    \
    X(top, "a running bridge in the terminal")                                 \
    X(try, "runs a function over lines of text, without Kafka")                \
    X(version, "versions of kabridge and of librdkafka")

#define X(name, help) int kab_cli_##name(int argc, char **argv);
KAB_VERBS(X)
#undef X

/* Parses a verb's options out of argv. The verb's name and the other arguments
 * stay in argv; n_least to n_most of them are allowed. positional: how --help
 * shows them ("CONFIG"). --help prints and exits. False: the usage error has
 * been printed, and the verb returns EX_USAGE. */
bool kab_cli_parse(int *argc,
                   char ***argv,
                   const char *positional,
                   const char *help,
                   const GOptionEntry *entries,
                   int n_least,
                   int n_most);

/* Prints "kabridge: …" for an error and returns its exit status. Configuration
 * faults, one per line, are printed without that prefix. Takes the error. */
int kab_cli_fail(GError *error);
/* The same for the errors of ended bindings, one per line: whatever the code,
 * the error has no place in the file. */
int kab_cli_fail_of_bindings(GError *error);
/* The index of word in names. -1: a line on standard error has named the
 * nearest one. what: e.g. "format". */
int kab_cli_choose(const char *what,
                   const char *word,
                   const char *const *names,
                   size_t n_names);
