/* SPDX-License-Identifier: Apache-2.0 */
/* An out-of-tree function: passes records that contain a text, drops the rest.
 *
 *     ./run.sh
 *
 * A record without output is finished: its offset is committed like any other.
 */
#define _GNU_SOURCE /* memmem() */
#include <stdlib.h>
#include <string.h>

#include <kabridge/function.h>

/* Made by open(), freed by close(); read by concurrent process() calls. */
typedef struct {
    const char *text; /* borrowed from the context */
    size_t len;
    bool is_inverted;
} Filter;

static const KabOption options[] = {
    {.name = "text",
     .type = KAB_OPTION_STRING,
     .help = "What a value must have in it, byte for byte.",
     .flags = KAB_OPTION_REQUIRED},
    {.name = "invert",
     .type = KAB_OPTION_BOOLEAN,
     .default_value = "false",
     .help = "Drops what has it, instead."},
};

static bool
filter_open(KabContext *context, void **ret_instance)
{
    Filter *filter = malloc(sizeof *filter);
    if (!filter)
        return kab_context_fail(context, "out of memory");
    filter->text = kab_context_get_string(context, "text");
    filter->len = strlen(filter->text);
    filter->is_inverted = kab_context_get_boolean(context, "invert");
    *ret_instance = filter;
    return true;
}

static bool
is_wanted(const Filter *filter, KabBytes value)
{
    bool has_text =
        value.data && memmem(value.data, value.len, filter->text, filter->len);
    return has_text != filter->is_inverted;
}

static void
filter_process(void *instance, KabBatch *batch)
{
    const Filter *filter = instance;
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < kab_batch_count(batch); i++) {
        if (!is_wanted(filter, records[i].value)) {
            kab_batch_drop(batch, i);
            continue;
        }
        KabOutput output = KAB_OUTPUT_INIT;
        output.key = records[i].key;
        output.value = records[i].value;
        kab_batch_emit(batch, i, &output);
    }
    kab_batch_complete(batch);
}

static void
filter_close(void *instance)
{
    free(instance);
}

KAB_FUNCTION_DEFINE(.name = "filter",
                    .summary = "passes records that have a text in them",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .options = options,
                    .n_options = sizeof options / sizeof *options,
                    .open = filter_open,
                    .process = filter_process,
                    .close = filter_close);
