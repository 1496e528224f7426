/* SPDX-License-Identifier: Apache-2.0 */
/* The committed state of one partition plus one more finished record. Pure. */
#pragma once

#include "types.h"

#include <glib.h>

/* intervals: KabInterval, ascending, disjoint, above *offset. Changes both as
 * if the bridge had finished the record. False: the record was finished
 * already, nothing changed. */
bool kab_skip_apply(int64_t *offset, GArray *intervals, int64_t skipped);
