/* SPDX-License-Identifier: Apache-2.0 */
/* An out-of-tree function: converts texts to upper case.
 *
 *     make && kabridge try upper.conf words.txt
 *
 * Shows what every function needs: options, an instance made by open(), a batch
 * whose records are answered one by one, and outputs that borrow memory of the
 * batch instead of being copied.
 */
#include <stdlib.h>

#include <kabridge/function.h>

/* Made by open(), freed by close(); read by concurrent process() calls. */
typedef struct {
    size_t longest;
} Upper;

static const KabOption options[] = {
    {.name = "longest",
     .type = KAB_OPTION_SIZE,
     .default_value = "64KiB",
     .range = "1..16MiB",
     .help = "A longer text is rejected."},
};

static bool
upper_open(KabContext *context, void **ret_instance)
{
    Upper *upper = malloc(sizeof *upper);
    if (!upper)
        return kab_context_fail(context, "out of memory");
    upper->longest = (size_t)kab_context_get_size(context, "longest");
    *ret_instance = upper;
    return true;
}

/* ASCII only: other bytes are unchanged, so UTF-8 stays valid. */
static const char *
to_upper(KabBatch *batch, KabBytes text)
{
    const char *from = text.data;
    char *upper = kab_batch_alloc(batch, text.len);
    for (size_t i = 0; i < text.len; i++)
        upper[i] = from[i] >= 'a' && from[i] <= 'z'
                       ? (char)(from[i] - 'a' + 'A')
                       : from[i];
    return upper;
}

static void
upper_process(void *instance, KabBatch *batch)
{
    const Upper *upper = instance;
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < kab_batch_count(batch); i++) {
        KabBytes text = records[i].value;
        if (text.len > upper->longest) {
            kab_batch_reject(batch, i,
                             "the text is longer than function.longest");
            continue;
        }
        KabOutput output = KAB_OUTPUT_INIT;
        output.key = records[i].key;
        if (text.data)
            output.value = (KabBytes){to_upper(batch, text), text.len};
        kab_batch_emit(batch, i, &output);
    }
    kab_batch_complete(batch);
}

static void
upper_close(void *instance)
{
    free(instance);
}

KAB_FUNCTION_DEFINE(.name = "upper",
                    .summary = "puts texts in upper case",
                    .options = options,
                    .n_options = sizeof options / sizeof options[0],
                    .open = upper_open,
                    .process = upper_process,
                    .close = upper_close);
