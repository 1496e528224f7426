/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge check: validates the configuration. Starts nothing; with --connect
 * it also opens the functions and queries the brokers.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "configuration.h"
#include "instance.h"
#include "probe.h"
#include "session.h"

/* Time-out of one query to the brokers. */
enum { QUESTION_TIMEOUT_MS = 5000 };

/* How long a function may wait for its server, database or worker. */
enum { FUNCTION_TIMEOUT_US = 10000000, LOOK_US = 50000 };

static GArray *
probe_cluster(const KabBindingSettings *binding)
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

/* Prints successful checks to standard output, the rest to standard error. */
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

/* What the function still waits for when its time is over; NULL: nothing. */
static char *
dup_waiting(const KabInstance *instance)
{
    int64_t until_us = g_get_monotonic_time() + FUNCTION_TIMEOUT_US;
    for (;;) {
        char *waiting = kab_context_dup_waiting(instance->context);
        if (!waiting || g_get_monotonic_time() >= until_us)
            return waiting;
        g_free(waiting);
        g_usleep(LOOK_US);
    }
}

static bool
await_function(const KabBindingSettings *binding, const KabInstance *instance)
{
    const char *name = instance->function->name;
    g_autofree char *waiting = dup_waiting(instance);
    if (waiting)
        fprintf(stderr,
                "[binding %s]: function %s is not ready after %d s: %s\n",
                binding->name, name, FUNCTION_TIMEOUT_US / 1000000, waiting);
    else
        printf("[binding %s]: function %s is open\n", binding->name, name);
    return !waiting;
}

/* A function that does not open is a fault of the configuration. */
static int
try_function(const KabBindingSettings *binding)
{
    g_autoptr(GError) error = NULL;
    KabInstance *instance =
        kab_instance_open(binding, binding->module.function, &error);
    if (!instance) {
        fprintf(stderr, "%s\n", error->message);
        return EX_CONFIG;
    }
    bool is_well = await_function(binding, instance);
    kab_instance_close(instance);
    return is_well ? EX_OK : EX_UNAVAILABLE;
}

/* Tries every function, also after one has failed. */
static int
try_functions(const KabSettings *settings)
{
    int status = EX_OK;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        int one = try_function(settings->bindings->pdata[i]);
        status = MAX(status, one);
    }
    return status;
}

static bool
ask_brokers(const KabSettings *settings)
{
    bool is_well = true;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *binding = settings->bindings->pdata[i];
        g_autoptr(GArray) findings = probe_cluster(binding);
        is_well &= print_findings(binding, findings);
    }
    return is_well;
}

static int
connect_bindings(const KabSettings *settings)
{
    int status = try_functions(settings);
    if (status == EX_CONFIG)
        return status;
    return ask_brokers(settings) ? status : EX_UNAVAILABLE;
}

static void
print_warnings(const KabConfig *config, const KabSettings *settings)
{
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *binding = settings->bindings->pdata[i];
        g_autofree char *warning = kab_properties_dup_warning(
            KAB_CLIENT_CONSUMER, (void *)binding->consumer->data,
            binding->consumer->len);
        if (warning)
            fprintf(stderr, "%s: [binding %s]: warning: %s\n",
                    kab_config_path(config), binding->name, warning);
    }
}

static int
check_config(const KabConfig *config, bool prints, bool connects)
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
    print_warnings(config, settings);
    int status = connects ? connect_bindings(settings) : EX_OK;
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
                       "Checks a configuration and reports every fault, one "
                       "per line.",
                       entries, 1, 1))
        return EX_USAGE;
    GError *error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(argv[1], sets, &error);
    return config ? check_config(config, prints, connects)
                  : kab_cli_fail(error);
}
