/* SPDX-License-Identifier: Apache-2.0 */
#include "state.h"

const char *
kab_state_name(KabState state)
{
    static const char *const names[] = {
#define X(NAME, text) [KAB_STATE_##NAME] = text,
        KAB_STATES(X)
#undef X
    };
    return names[state];
}
