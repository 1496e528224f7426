/* SPDX-License-Identifier: Apache-2.0 */
/* A module that needs a symbol that nobody has. */
#include <kabridge/function.h>

void kab_test_symbol_of_nobody(KabBatch *batch);

static void
process(void *instance, KabBatch *batch)
{
    kab_test_symbol_of_nobody(batch);
}

KAB_FUNCTION_DEFINE(.name = "undefined", .process = process);
