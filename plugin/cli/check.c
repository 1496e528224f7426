/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge check: is the configuration right? Starts nothing; with --connect
 * it also opens the functions and asks the brokers.
 */
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "configuration.h"
#include "session.h"

/* Opens and closes the function as a binding would. */
static bool
try_function(const KabBindingSettings *binding, GError **error)
{
    const KabFunction *function = binding->module.function;
    const GArray *texts = binding->function_texts;
    void *instance = NULL;
    if (!function->open)
        return true;
    KabContext *context = kab_context_new(
        binding->name, function, (const KabOptionText *)texts->data, texts->len,
        binding->engine.max_in_flight);
    bool is_open = function->open(context, &instance);
    if (is_open && function->close)
        function->close(instance);
    if (!is_open) {
        const char *why = kab_context_failure(context);
        g_set_error(error, KAB_ERROR, KAB_ERROR_CONFIG,
                    "[binding %s] function: found that %s does not open; "
                    "wanted it to (%s)",
                    binding->name, function->name, why ? why : "no reason");
    }
    kab_context_free(context);
    return is_open;
}

/* All are tried; the status is that of the worst. */
static int
try_functions(const KabSettings *settings)
{
    int status = EX_OK;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        GError *error = NULL;
        if (!try_function(settings->bindings->pdata[i], &error))
            status = kab_cli_fail(error);
    }
    return status;
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
    int status = connects ? try_functions(settings) : EX_OK;
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
