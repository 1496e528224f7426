/* SPDX-License-Identifier: Apache-2.0 */
#include "quirks.h"

#include <librdkafka/rdkafka.h>

static const struct {
    int since, fixed;
} versions[] = {
#define X(NAME, since, fixed, why, parts) [KAB_QUIRK_##NAME] = {since, fixed},
    KAB_QUIRKS(X)
#undef X
};

bool
kab_quirk_applies_to(KabQuirk quirk, int version)
{
    return version >= versions[quirk].since && version < versions[quirk].fixed;
}

bool
kab_quirk_applies(KabQuirk quirk)
{
    return kab_quirk_applies_to(quirk, rd_kafka_version());
}
