/* SPDX-License-Identifier: Apache-2.0 */
/* Values and ranges under any text: "RANGE\nVALUE", every type. */
#include "fuzz.h"

#include <string.h>

#include "options-value.h"

static void
check(const KabValueRule *rule, const char *text)
{
    static const char *const names[] = {"batch.count", "order", "x"};
    KabValue value;
    if (!kab_value_rule_is_sound(rule))
        return;
    if (!kab_value_parse(rule, text, &value)) {
        g_autofree char *problem = kab_value_dup_problem(rule, text, false);
        g_assert(g_utf8_validate(problem, -1, NULL));
    }
    kab_nearest(text, names, G_N_ELEMENTS(names));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *range = g_strndup((const char *)data, size);
    char *text = strchr(range, '\n');
    if (!text || !g_utf8_validate(range, -1, NULL))
        return 0;
    *text++ = '\0';
    for (int type = KAB_VALUE_STRING; type <= KAB_VALUE_RATE; type++) {
        const KabValueRule rule = {.type = (KabValueType)type,
                                   .range = *range ? range : NULL,
                                   .word = "auto"};
        check(&rule, text);
    }
    return 0;
}
