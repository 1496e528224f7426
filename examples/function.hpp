/* SPDX-License-Identifier: Apache-2.0 */
/* A batch function in C++: exceptions stay inside.
 *
 *     static void score(void *instance, KabBatch *batch) { ... throw ... }
 *     KAB_FUNCTION_DEFINE(.name = "score",
 *                         .process = kabridge::guarded<score>);
 *
 * The bridge is C: an exception that leaves process() would end the process.
 * guarded<> makes it the failure of that one call instead, with its text; the
 * bridge then halves the batch until the record that raised it is alone.
 */
#pragma once

#include <exception>
#include <kabridge/function.h>

namespace kabridge
{

template <void (*process)(void *, KabBatch *)>
void
guarded(void *instance, KabBatch *batch) noexcept
{
    try {
        process(instance, batch);
    } catch (const std::exception &error) {
        kab_batch_fail(batch, KAB_FAIL_PERMANENT, -1, error.what());
    } catch (...) {
        kab_batch_fail(batch, KAB_FAIL_PERMANENT, -1,
                       "the function threw something that is no "
                       "std::exception");
    }
}

} // namespace kabridge
