/* SPDX-License-Identifier: Apache-2.0 */
/* The function "identity": each output is its input, without a copy.
 *
 * Used to measure the cost of the bridge itself; also the shortest example of a
 * function that never blocks.
 */
#include <kabridge/function.h>

static void
identity_process(void *instance, KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    KabOutput output = KAB_OUTPUT_INIT;
    for (size_t i = 0; i < n; i++) {
        output.key = records[i].key;
        output.value = records[i].value;
        kab_batch_emit(batch, i, &output);
    }
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "identity",
                    .summary = "passes every record on as it is",
                    .flags = KAB_FUNCTION_NONBLOCKING,
                    .process = identity_process);
