/* SPDX-License-Identifier: Apache-2.0 */
/* The committed state of one partition with one more record finished. Pure.
 */
#pragma once

#include "types.h"

#include <glib.h>

/* intervals: KabInterval, ascending, disjoint, above *offset; both are changed
 * as if the record had been finished by the bridge. False: it is finished
 * already, nothing changed. */
bool kab_skip_apply(int64_t *offset, GArray *intervals, int64_t skipped);
