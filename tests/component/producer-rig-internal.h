/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the rig share. */
#pragma once

#include "producer-rig.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)

/* For the rig's engine; user: the Rig. */
extern const KabEffects rig_effects;
