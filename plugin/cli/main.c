/* SPDX-License-Identifier: Apache-2.0 */
/* The kabridge command: finds the verb and calls it. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli.h"
#include "options-value.h"
#include "output.h"

typedef struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} KabVerb;

static const KabVerb verbs[] = {
#define X(name, help) {#name, help, kab_cli_##name},
    KAB_VERBS(X)
#undef X
};

static void
print_usage(FILE *stream)
{
    fputs("usage: kabridge VERB …\n\n", stream);
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        fprintf(stream, "  %-9s %s\n", verbs[i].name, verbs[i].help);
    fputs("\nkabridge VERB --help says more.\n", stream);
}

static const KabVerb *
find_verb(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int
refuse_verb(const char *word)
{
    const char *names[G_N_ELEMENTS(verbs)];
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
        names[i] = verbs[i].name;
    const char *nearest = kab_nearest(word, names, G_N_ELEMENTS(verbs));
    g_autofree char *quoted = kab_quote(word);
    fprintf(stderr, "kabridge: found %s; wanted a verb", quoted);
    if (nearest)
        fprintf(stderr, ", perhaps \"%s\"", nearest);
    fputs("; kabridge --help lists them\n", stderr);
    return EX_USAGE;
}

/* --help makes GLib exit the process. */
static void
on_exit_by_others(void)
{
    kab_output_end(EX_OK);
}

/* If a standard descriptor is closed at start, the next file or socket gets its
 * number, and diagnostics would be written into that. */
static void
open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(EX_SOFTWARE);
}

int
main(int argc, char **argv)
{
    open_standard_descriptors();
    setlocale(LC_CTYPE, "");
    atexit(on_exit_by_others);
    if (argc < 2) {
        print_usage(stderr);
        return EX_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        strcmp(word, "help") == 0) {
        print_usage(stdout);
        return EX_OK;
    }
    if (strcmp(word, "--version") == 0)
        word = "version";
    const KabVerb *verb = find_verb(word);
    int status = verb ? verb->run(argc - 1, argv + 1) : refuse_verb(word);
    kab_output_end(status);
    return status;
}
