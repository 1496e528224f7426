/* SPDX-License-Identifier: Apache-2.0 */
#include "properties-known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit-distance.h"

static void
free_known(void *data)
{
    KabKnownProperty *property = data;
    g_free(property->name);
    g_free(property->range);
    g_free(property);
}

/* "name | C/P | range | default | importance | description" */
static KabKnownProperty *
parse_row(const char *line)
{
    g_auto(GStrv) columns = g_strsplit(line, "|", 4);
    if (g_strv_length(columns) < 4)
        return NULL;
    const char *kind = g_strstrip(columns[1]);
    KabClientKind clients = strcmp(kind, "C") == 0   ? KAB_CLIENT_CONSUMER
                            : strcmp(kind, "P") == 0 ? KAB_CLIENT_PRODUCER
                            : strcmp(kind, "*") == 0 ? KAB_CLIENT_BOTH
                                                     : 0;
    if (!clients)
        return NULL;
    KabKnownProperty *property = g_new0(KabKnownProperty, 1);
    property->name = g_strdup(g_strstrip(columns[0]));
    property->clients = clients;
    property->range = g_strdup(g_strstrip(columns[2]));
    return property;
}

GPtrArray *
kab_known_properties_new(void)
{
    GPtrArray *known = g_ptr_array_new_with_free_func(free_known);
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    g_assert(file);
    rd_kafka_conf_properties_show(file);
    fclose(file);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    free(text);
    for (size_t i = 0; lines[i]; i++) {
        KabKnownProperty *property = parse_row(lines[i]);
        if (property)
            g_ptr_array_add(known, property);
    }
    return known;
}

const KabKnownProperty *
kab_known_properties_find(const GPtrArray *known, const char *name)
{
    for (guint i = 0; i < known->len; i++) {
        const KabKnownProperty *property = known->pdata[i];
        if (strcmp(property->name, name) == 0)
            return property;
    }
    return NULL;
}

const KabKnownProperty *
kab_known_properties_nearest(const GPtrArray *known, const char *name)
{
    const KabKnownProperty *nearest = NULL;
    size_t limit = strlen(name) / 3 + 1;
    for (guint i = 0; i < known->len; i++) {
        const KabKnownProperty *property = known->pdata[i];
        size_t edits = kab_edit_distance(name, property->name, limit);
        if (edits < limit) {
            limit = edits;
            nearest = property;
        }
    }
    return nearest;
}
