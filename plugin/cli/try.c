/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge try: a binding's function over lines of text. */
#include "try.h"

#include <errno.h>
#include <inttypes.h>
#include <sysexits.h>

#include "cli.h"
#include "log.h"
#include "session.h"

static FILE *
open_lines(const char *path)
{
    if (!path || g_str_equal(path, "-"))
        return stdin;
    FILE *in = fopen(path, "re");
    if (!in)
        fprintf(stderr, "kabridge: cannot read %s: %s\n", path,
                g_strerror(errno));
    return in;
}

static int
try_lines(const KabBindingSettings *binding, FILE *in, const char *path)
{
    g_autoptr(GError) error = NULL;
    KabTryResult result = {0};
    const char *name = in == stdin ? "stdin" : path;
    if (!kab_try_run(binding, in, name, &result, &error))
        kab_cli_leave(kab_cli_fail(g_steal_pointer(&error)));
    fprintf(stderr,
            "%" PRIu64 " lines in %" PRIu64 " batches: %" PRIu64
            " done, %" PRIu64 " without output, %" PRIu64 " failed\n",
            result.n_lines, result.n_batches, result.n_done, result.n_dropped,
            result.n_bad);
    int status = result.n_bad ? EX_DATAERR : EX_OK;
    if (result.has_leaked)
        kab_cli_leave(status);
    return status;
}

int
kab_cli_try(int argc, char **argv)
{
    g_auto(GStrv) sets = NULL;
    g_autofree char *name = NULL;
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &name,
         "the binding whose function is tried, if there are several", "NAME"},
        KAB_CLI_SET_ENTRY(&sets),
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "CONFIG [FILE]",
                       "Runs a binding's function over the lines of FILE or "
                       "of standard input, each the value of a record. No "
                       "Kafka is needed: outputs are printed.",
                       entries, 1, 2))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_WARNING);
    g_autoptr(GError) error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(argv[1], sets, &error);
    g_autoptr(KabSettings) settings =
        config ? kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error)
               : NULL;
    if (!settings)
        return kab_cli_fail(g_steal_pointer(&error));
    const KabBindingSettings *binding = kab_cli_choose_binding(settings, name);
    if (!binding)
        return EX_USAGE;
    const char *path = argc > 2 ? argv[2] : NULL;
    FILE *in = open_lines(path);
    if (!in)
        return EX_DATAERR;
    int status = try_lines(binding, in, path);
    if (in != stdin)
        fclose(in);
    return status;
}
