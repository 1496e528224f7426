/* SPDX-License-Identifier: Apache-2.0 */
/* A function in C++: squares numbers. std::stod() throws at what is none; see
 * function.hpp for what becomes of that.
 *
 *     make square.so && seq 3 | kabridge try square.conf
 */
#include "function.hpp"

#include <string>

static void
square(void *, KabBatch *batch)
{
    const KabRecord *records = kab_batch_records(batch);
    for (size_t i = 0; i < kab_batch_count(batch); i++) {
        const KabBytes &value = records[i].value;
        double number = std::stod(
            std::string(static_cast<const char *>(value.data), value.len));
        std::string squared = std::to_string(number * number);
        kab_batch_emit_value(batch, i, squared.data(), squared.size());
    }
    kab_batch_complete(batch);
}

KAB_FUNCTION_DEFINE(.name = "square",
                    .summary = "squares numbers",
                    .process = kabridge::guarded<square>);
