/* SPDX-License-Identifier: Apache-2.0 */
/* A module with a longer description than ours, as a later kabridge of the
 * same minor would make: read by its head. */
#include <kabridge/function.h>

static void
process(void *instance, KabBatch *batch)
{
    kab_batch_complete(batch);
}

typedef struct {
    KabFunction head;
    const char *later;
} LaterFunction;

KAB_API extern const LaterFunction kab_function;
const LaterFunction kab_function = {
    .head = {.abi_major = KAB_ABI_MAJOR,
             .abi_minor = KAB_ABI_MINOR,
             .struct_size = sizeof(LaterFunction),
             .name = "larger-struct",
             .process = process},
    .later = "a field that this kabridge does not know",
};
