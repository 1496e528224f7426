/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the tables that stand beside their enums. */
#include "types.h"

const char *
kab_class_name(KabClass class_)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_CLASS_##NAME] = text,
        KAB_CLASSES(X)
#undef X
    };
    return names[class_];
}

const char *
kab_stage_name(KabStage stage)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_STAGE_##NAME] = text,
        KAB_STAGES(X)
#undef X
    };
    return names[stage];
}
