/* SPDX-License-Identifier: Apache-2.0 */
/* The properties this librdkafka knows, read from the table it prints, so that
 * they are right for every version.
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
/* NULL: not found (librdkafka does not print all). Borrowed. */
const KabKnownProperty *kab_known_properties_find(const GPtrArray *known,
                                                  const char *name);
/* The property whose name is most similar; NULL: none is similar. Borrowed. */
const KabKnownProperty *kab_known_properties_nearest(const GPtrArray *known,
                                                     const char *name);
