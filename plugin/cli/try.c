/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge try: runs a binding's function over lines of text. */
#include "try.h"

#include <errno.h>
#include <inttypes.h>
#include <sysexits.h>

#include "cli.h"
#include "log.h"
#include "session.h"
#include "try-find.h"

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

/* The lines up to a failed read are no file. A directory fails at its first. */
static int
close_lines(FILE *in, const char *path, int status)
{
    bool has_failed = ferror(in);
    if (has_failed)
        fprintf(stderr, "kabridge: cannot read %s to its end\n",
                in == stdin ? "standard input" : path);
    if (in != stdin)
        fclose(in);
    return has_failed && status == EX_OK ? EX_DATAERR : status;
}

static double
rate_of(double sum, uint64_t n)
{
    return n ? sum / (double)n : 0;
}

static void
print_sum(const KabTryResult *result)
{
    fprintf(stderr,
            "%" PRIu64 " line%s in %" PRIu64 " batch%s: %" PRIu64
            " done, %" PRIu64 " without output, %" PRIu64 " failed\n",
            result->n_lines, result->n_lines == 1 ? "" : "s", result->n_batches,
            result->n_batches == 1 ? "" : "es", result->n_done,
            result->n_dropped, result->n_bad);
    fprintf(stderr,
            "batches of %.1f records, at most %" PRIu64
            "; calls of %.3f ms, at most %.3f ms; %.3f s, %.0f records/s\n",
            rate_of((double)result->n_batched, result->n_batches),
            result->max_batch,
            rate_of((double)result->call_us / 1e3, result->n_calls),
            (double)result->longest_us / 1e3, (double)result->took_us / 1e6,
            rate_of((double)result->n_lines * 1e6, (uint64_t)result->took_us));
}

static int
try_lines(const KabBindingSettings *binding,
          FILE *in,
          const char *path,
          KabTryFormat format)
{
    g_autoptr(GError) error = NULL;
    KabTryResult result = {0};
    const char *name = in == stdin ? "stdin" : path;
    if (!kab_try_run(binding, in, name, format, &result, &error))
        kab_cli_leave(kab_cli_fail(g_steal_pointer(&error)));
    print_sum(&result);
    int status = result.n_bad ? EX_DATAERR : EX_OK;
    if (result.has_leaked)
        kab_cli_leave(status);
    return status;
}

enum { DEFAULT_SECONDS = 30, NOT_GIVEN = G_MININT };

/* What was asked for on the command line. */
typedef struct {
    char **sets;
    char *name; /* of the binding */
    gboolean is_json, finds_batch;
    int seconds;
} Words;

static void
clear_words(Words *words)
{
    g_strfreev(words->sets);
    g_free(words->name);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, clear_words)

static bool
refuse_seconds(void)
{
    fprintf(stderr, "kabridge: found --seconds without --find-batch; wanted "
                    "both, or neither\n");
    return false;
}

static bool
parse_words(int *argc, char ***argv, Words *words)
{
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &words->name,
         "the binding whose function is tried, if there are several", "NAME"},
        {"json", 'j', 0, G_OPTION_ARG_NONE, &words->is_json,
         "lines are records, {\"key\":…,\"value\":…,\"headers\":…}, and what "
         "became of each is printed as JSON",
         NULL},
        {"find-batch", 'f', 0, G_OPTION_ARG_NONE, &words->finds_batch,
         "measures the function at growing batch sizes and numbers of calls "
         "in flight, over the lines again and again, and recommends some",
         NULL},
        {"seconds", 0, 0, G_OPTION_ARG_INT, &words->seconds,
         "how long --find-batch measures; default 30", "N"},
        KAB_CLI_SET_ENTRY(&words->sets),
        {NULL},
    };
    if (!kab_cli_parse(argc, argv, "CONFIG [FILE]",
                       "Runs a binding's function over the lines of FILE or "
                       "of standard input, each the value of a record or, "
                       "with --json, a whole one. No Kafka is needed: what "
                       "became of each is printed.",
                       entries, 1, 2))
        return false;
    if (words->seconds == NOT_GIVEN)
        words->seconds = DEFAULT_SECONDS;
    else if (!words->finds_batch)
        return refuse_seconds();
    if (words->seconds >= 1 && words->seconds <= 3600)
        return true;
    fprintf(stderr, "kabridge: --seconds: found %d; wanted 1 to 3600\n",
            words->seconds);
    return false;
}

/* --find-batch reads the options as `batching = adaptive` does: those that the
 * file sets are ceilings. No record waits in a buffer, so its size must not
 * contradict them. */
static bool
make_ceilings(KabConfig *config, const char *binding, GError **error)
{
    g_autofree char *batching =
        g_strdup_printf("binding %s/batching=adaptive", binding);
    g_autofree char *buffer =
        g_strdup_printf("binding %s/buffer.bytes=1024GiB", binding);
    return kab_config_set(config, batching, error) &&
           kab_config_set(config, buffer, error);
}

static int
find_batch(KabConfig *config,
           const char *binding,
           FILE *in,
           const KabTryFindSetup *setup)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KabSettings) settings =
        make_ceilings(config, binding, &error)
            ? kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error)
            : NULL;
    if (!settings)
        return kab_cli_fail(g_steal_pointer(&error));
    return kab_try_find_batch(kab_settings_find(settings, binding), in, setup);
}

int
kab_cli_try(int argc, char **argv)
{
    g_auto(Words) words = {.seconds = NOT_GIVEN};
    if (!parse_words(&argc, &argv, &words))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_WARNING);
    g_autoptr(GError) error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(argv[1], words.sets, &error);
    g_autoptr(KabSettings) settings =
        config ? kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error)
               : NULL;
    if (!settings)
        return kab_cli_fail(g_steal_pointer(&error));
    const KabBindingSettings *binding =
        kab_cli_choose_binding(settings, words.name);
    if (!binding)
        return EX_USAGE;
    const char *path = argc > 2 ? argv[2] : NULL;
    FILE *in = open_lines(path);
    if (!in)
        return EX_DATAERR;
    KabTryFindSetup setup = {.in_name = in == stdin ? "standard input" : path,
                             .is_json = words.is_json,
                             .seconds = words.seconds};
    int status = words.finds_batch
                     ? find_batch(config, binding->name, in, &setup)
                     : try_lines(binding, in, path,
                                 words.is_json ? KAB_TRY_JSON : KAB_TRY_VALUES);
    return close_lines(in, path, status);
}
