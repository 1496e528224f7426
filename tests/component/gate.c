/* SPDX-License-Identifier: Apache-2.0 */
/* The function of the tests of a reload: its open() and close() return only
 * when the test has made a file, and it writes its mark in front of every
 * value. */
#include <kabridge/function.h>

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

typedef struct {
    KabContext *context;
    const char *mark, *close_gate;
} Gate;

static const KabOption options[] = {
    {"mark", KAB_OPTION_STRING, "", NULL, "Begins each output.", 0},
    {"open", KAB_OPTION_STRING, NULL, NULL, "open() waits for this file.", 0},
    {"close", KAB_OPTION_STRING, NULL, NULL, "close() waits for this file.", 0},
    {"fail", KAB_OPTION_STRING, NULL, NULL, "Why open() fails.", 0},
};

/* Returns when there may be a new file in the folder of the path. */
static void
await_new_file(int watch)
{
    char events[4096];
    if (read(watch, events, sizeof events) < 0)
        abort();
}

static void
await_file(KabContext *context, const char *path, const char *what)
{
    kab_context_log(context, KAB_LOG_INFO, "%s begins", what);
    if (path) {
        char *folder = strdup(path);
        int watch = inotify_init1(IN_CLOEXEC);
        if (inotify_add_watch(watch, dirname(folder), IN_CREATE | IN_MOVED_TO) <
            0)
            abort();
        while (access(path, F_OK) != 0)
            await_new_file(watch);
        close(watch);
        free(folder);
    }
    kab_context_log(context, KAB_LOG_INFO, "%s ends", what);
}

static bool
gate_open(KabContext *context, void **ret_instance)
{
    await_file(context, kab_context_get_string(context, "open"), "open()");
    const char *failure = kab_context_get_string(context, "fail");
    if (failure)
        return kab_context_fail(context, "told to fail: %s", failure);
    Gate *gate = malloc(sizeof *gate);
    gate->context = context;
    gate->mark = kab_context_get_string(context, "mark");
    gate->close_gate = kab_context_get_string(context, "close");
    *ret_instance = gate;
    return true;
}

static void
gate_close(void *instance)
{
    Gate *gate = instance;
    await_file(gate->context, gate->close_gate, "close()");
    free(gate);
}

static void
gate_process(void *instance, KabBatch *batch)
{
    const Gate *gate = instance;
    const KabRecord *records = kab_batch_records(batch);
    size_t n = kab_batch_count(batch), n_mark = strlen(gate->mark);
    for (size_t i = 0; i < n; i++) {
        KabOutput output = KAB_OUTPUT_INIT;
        char *value = kab_batch_alloc(batch, n_mark + records[i].value.len);
        memcpy(value, gate->mark, n_mark);
        memcpy(value + n_mark, records[i].value.data, records[i].value.len);
        output.value = (KabBytes){value, n_mark + records[i].value.len};
        kab_batch_emit(batch, i, &output);
    }
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "gate",
                    .summary = "waits for the test",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = options,
                    .n_options = sizeof options / sizeof *options,
                    .open = gate_open,
                    .process = gate_process,
                    .close = gate_close);
