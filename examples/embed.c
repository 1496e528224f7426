/* SPDX-License-Identifier: Apache-2.0 */
/* A program that embeds a bridge: topic to topic through a C callback. */
#include <signal.h>

#include <kabridge/kabridge.h>

static KabBridge *bridge; /* for the signal handler */

static void
reverse(void *instance, KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < kab_batch_count(batch); i++) {
        const char *from = records[i].value.data;
        size_t len = records[i].value.len;
        char *to = kab_batch_alloc(batch, len);
        for (size_t c = 0; c < len; c++)
            to[c] = from[len - 1 - c];
        kab_batch_emit_value(batch, i, from ? to : NULL, len);
    }
    kab_batch_complete(batch);
}

static const KabFunction function = {KAB_FUNCTION_HEAD, .name = "reverse",
                                     .process = reverse};

static void
on_signal(int number)
{
    kab_bridge_stop(bridge);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    KabConfig *config =
        kab_config_new_from_file(argc > 1 ? argv[1] : "embed.conf", &error);
    bridge = config ? kab_bridge_new(config, &error) : NULL;
    if (bridge &&
        kab_bridge_set_function(bridge, "mirror", &function, &error)) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        if (kab_bridge_run(bridge, &error))
            kab_bridge_free(bridge);
    }
    if (error)
        g_printerr("%s\n", error->message);
    return kab_error_exit_status(error);
}
