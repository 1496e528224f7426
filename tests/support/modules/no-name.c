/* SPDX-License-Identifier: Apache-2.0 */
/* A module without a name. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.process = process);
