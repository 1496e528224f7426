/* SPDX-License-Identifier: Apache-2.0 */
/* A module of the next major ABI. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "wrong-major",
                    .abi_major = KAB_ABI_MAJOR + 1,
                    .process = process);
