/* SPDX-License-Identifier: Apache-2.0 */
/* What the librdkafka of this run says of its own properties: read from the
 * table that it prints, so that it is true of every version.
 */
#pragma once

#include "properties.h"

typedef struct {
    char *name;
    KabClientKind clients;
    char *range; /* as printed: "1 .. 1000", "true, false"; may be empty */
} KabKnownProperty;

/* Returns a new array of KabKnownProperty. */
GPtrArray *kab_known_properties_new(void);
/* NULL: not among them (some are not printed). Borrowed. */
const KabKnownProperty *kab_known_properties_find(const GPtrArray *known,
                                                  const char *name);
/* The one that looks most like name; NULL: none does. Borrowed. */
const KabKnownProperty *kab_known_properties_nearest(const GPtrArray *known,
                                                     const char *name);
