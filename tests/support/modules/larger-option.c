/* SPDX-License-Identifier: Apache-2.0 */
/* A module whose options are longer than ours, as a later kabridge of the
 * same minor would make: read by its own stride. */
#include <kabridge/function.h>

typedef struct {
    KabOption head;
    const char *later;
} LaterOption;

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

static const LaterOption options[] = {
    {{"first", KAB_OPTION_STRING, NULL, NULL, "One.", 0}, "unknown"},
    {{"second", KAB_OPTION_INTEGER, "7", "1..9", "Another.", 0}, "unknown"},
};

KAB_API extern const KabFunction kab_function;
const KabFunction kab_function = {
    .abi_major = KAB_ABI_MAJOR,
    .abi_minor = KAB_ABI_MINOR,
    .struct_size = sizeof(KabFunction),
    .option_size = sizeof(LaterOption),
    .name = "larger-option",
    .options = &options[0].head,
    .n_options = sizeof options / sizeof *options,
    .process = process,
};
