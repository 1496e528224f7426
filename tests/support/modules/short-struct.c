/* SPDX-License-Identifier: Apache-2.0 */
/* A module whose description is shorter than any was. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "short-struct",
                    .struct_size = 16,
                    .process = process);
