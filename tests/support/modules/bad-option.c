/* SPDX-License-Identifier: Apache-2.0 */
/* A module that declares an option whose default is out of its range. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

static const KabOption options[] = {
    {"size", KAB_OPTION_SIZE, "1MiB", "1..64KiB", "Too large.", 0},
};

KAB_FUNCTION_DEFINE(.name = "bad-option",
                    .options = options,
                    .n_options = 1,
                    .process = process);
