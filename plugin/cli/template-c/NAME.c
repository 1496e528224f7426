/* The function @NAME@: writes each value in capitals, with a suffix.
 *
 * kabridge calls @IDENTIFIER@_process() with a batch of records and takes its
 * answer from kab_batch_complete(). See kabridge/function.h for all it can do.
 */
#include <kabridge/function.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *suffix; /* the context's, valid until close */
    size_t suffix_len;
} Instance;

/* Once a binding, before the first batch: read the options, load the model. */
static bool
@IDENTIFIER@_open(KabContext *context, void **ret_instance)
{
    Instance *instance = malloc(sizeof *instance);
    if (!instance)
        return kab_context_fail(context, "out of memory");
    instance->suffix = kab_context_get_string(context, "suffix");
    instance->suffix_len = strlen(instance->suffix);
    *ret_instance = instance;
    return true;
}

/* The record's answer: an output, or the reason why there can be none. */
static void
answer(const Instance *instance,
       KabBatch *batch,
       size_t i,
       const KabRecord *record)
{
    if (!record->value.len) {
        kab_batch_reject_input(batch, i, "the value is empty");
        return;
    }
    const unsigned char *in = record->value.data;
    size_t len = record->value.len + instance->suffix_len;
    char *out = kab_batch_alloc(batch, len);
    for (size_t c = 0; c < record->value.len; c++)
        out[c] = (char)toupper(in[c]);
    memcpy(out + record->value.len, instance->suffix, instance->suffix_len);
    KabOutput output = KAB_OUTPUT_INIT;
    output.key = record->key;
    output.value = (KabBytes){out, len};
    kab_batch_emit(batch, i, &output);
}

/* On a thread of the pool; several may run at once. */
static void
@IDENTIFIER@_process(void *data, KabBatch *batch)
{
    const Instance *instance = data;
    const KabRecord *records = kab_batch_records(batch);
    size_t n = kab_batch_count(batch);
    for (size_t i = 0; i < n; i++)
        answer(instance, batch, i, &records[i]);
    kab_batch_complete(batch);
}

static void
@IDENTIFIER@_close(void *instance)
{
    free(instance);
}

/* In the configuration: function.suffix = … */
static const KabOption options[] = {
    {"suffix", KAB_OPTION_STRING, "!", NULL, "What is put behind a value.", 0},
};

KAB_FUNCTION_DEFINE(.name = "@NAME@",
                    .summary = "writes values in capitals",
                    .options = options,
                    .n_options = sizeof options / sizeof *options,
                    .open = @IDENTIFIER@_open,
                    .process = @IDENTIFIER@_process,
                    .close = @IDENTIFIER@_close);
