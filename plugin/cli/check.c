/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge check: is the configuration right? Starts nothing; with --connect
 * it also opens the functions and asks the brokers.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "configuration.h"
#include "probe.h"
#include "session.h"

/* Of one question to the brokers. */
enum { QUESTION_TIMEOUT_MS = 5000 };

/* Opens and closes the function as a binding would. Returns a new sentence,
 * or NULL: it opens. */
static char *
dup_open_problem(const KabBindingSettings *binding)
{
    const KabFunction *function = binding->module.function;
    const GArray *texts = binding->function_texts;
    void *instance = NULL;
    char *problem = NULL;
    if (!function->open)
        return NULL;
    KabContext *context = kab_context_new(
        binding->name, function, (const KabOptionText *)texts->data, texts->len,
        binding->engine.max_in_flight);
    if (!function->open(context, &instance)) {
        const char *why = kab_context_failure(context);
        problem = g_strdup_printf("found %s, which does not open: %s",
                                  function->name, why ? why : "no reason");
    } else if (function->close) {
        function->close(instance);
    }
    kab_context_free(context);
    return problem;
}

static GArray *
probe(const KabBindingSettings *binding)
{
    const KabProbeSetup setup = {
        .consumer = (const KabProperty *)binding->consumer->data,
        .n_consumer = binding->consumer->len,
        .producer = (const KabProperty *)binding->producer->data,
        .n_producer = binding->producer->len,
        .group = binding->group,
        .input_topics = (const char *const *)binding->input_topics,
        .output_topic = binding->output_topic,
        .output_topics = (const char *const *)binding->output_topics,
        .dead_letter_topic = binding->dead_letter_topic,
        .partition_is_same = binding->partition_is_same,
        .timeout_ms = QUESTION_TIMEOUT_MS,
    };
    return kab_probe(&setup);
}

/* What is well goes to standard output, the rest to standard error. */
static bool
print_findings(const KabBindingSettings *binding, const GArray *findings)
{
    bool is_well = true;
    for (unsigned i = 0; i < findings->len; i++) {
        const KabProbeFinding *finding =
            &g_array_index(findings, KabProbeFinding, i);
        fprintf(finding->is_ok ? stdout : stderr, "[binding %s]: %s\n",
                binding->name, finding->sentence);
        is_well &= finding->is_ok;
    }
    return is_well;
}

/* All are tried. */
static bool
open_functions(const KabConfig *config, const KabSettings *settings)
{
    bool is_well = true;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *binding = settings->bindings->pdata[i];
        g_autofree char *problem = dup_open_problem(binding);
        if (problem)
            fprintf(stderr, "%s: [binding %s] function: %s\n",
                    kab_config_path(config), binding->name, problem);
        is_well &= !problem;
    }
    return is_well;
}

static bool
ask_brokers(const KabSettings *settings)
{
    bool is_well = true;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *binding = settings->bindings->pdata[i];
        g_autoptr(GArray) findings = probe(binding);
        is_well &= print_findings(binding, findings);
    }
    return is_well;
}

/* A function that does not open is a fault of the configuration. */
static int
connect_bindings(const KabConfig *config, const KabSettings *settings)
{
    if (!open_functions(config, settings))
        return EX_CONFIG;
    return ask_brokers(settings) ? EX_OK : EX_UNAVAILABLE;
}

static int
check(const KabConfig *config, bool prints, bool connects)
{
    GError *error = NULL;
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error);
    if (!settings)
        return kab_cli_fail(error);
    if (prints) {
        g_autofree char *text = kab_settings_dup_text(config, settings);
        fputs(text, stdout);
    }
    kab_log_install(KAB_LOG_FORMAT_TEXT, settings->log_level);
    int status = connects ? connect_bindings(config, settings) : EX_OK;
    if (status == EX_OK)
        fprintf(stderr, "%s: no fault; bindings: %u\n", kab_config_path(config),
                settings->bindings->len);
    return status;
}

int
kab_cli_check(int argc, char **argv)
{
    gboolean prints = FALSE, connects = FALSE;
    g_auto(GStrv) sets = NULL;
    const GOptionEntry entries[] = {
        KAB_CLI_SET_ENTRY(&sets),
        {"connect", 0, 0, G_OPTION_ARG_NONE, &connects,
         "also open the functions and ask the brokers", NULL},
        {"print", 0, 0, G_OPTION_ARG_NONE, &prints,
         "print the effective values and where each is from", NULL},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "CONFIG",
                       "Checks a configuration and says every fault, one a "
                       "line.",
                       entries, 1, 1))
        return EX_USAGE;
    GError *error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(argv[1], sets, &error);
    return config ? check(config, prints, connects) : kab_cli_fail(error);
}
