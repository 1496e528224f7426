/* SPDX-License-Identifier: Apache-2.0 */
/* A module of a newer minor ABI. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "newer-minor",
                    .abi_minor = KAB_ABI_MINOR + 1,
                    .process = process);
