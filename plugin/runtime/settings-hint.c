/* SPDX-License-Identifier: Apache-2.0 */
/* Suggestions for unknown keys of a binding. */
#include <string.h>

#include "options-value.h"
#include "settings-internal.h"

/* Limit of suggestions; nobody reads more. */
enum { MOST_HINTS = 100 };

/* "functon.url": corrects the part before the first dot. */
static char *
dup_right_prefix(const char *key)
{
    static const char *const prefixes[] = {"function", "consumer", "producer"};
    const char *dot = strchr(key, '.');
    if (!dot)
        return NULL;
    g_autofree char *first = g_strndup(key, (size_t)(dot - key));
    const char *nearest = kab_nearest(first, prefixes, G_N_ELEMENTS(prefixes));
    return nearest ? g_strconcat(nearest, dot, NULL) : NULL;
}

/* "linger.ms": a property without its prefix. */
static char *
dup_property(KabSettingsBuilder *builder, const char *key)
{
    const KabKnownProperty *property =
        kab_known_properties_find(kab_settings_known(builder), key);
    if (!property || kab_property_refusal(key))
        return NULL;
    switch (property->clients) {
    case KAB_CLIENT_CONSUMER:
        return g_strconcat("consumer.", key, NULL);
    case KAB_CLIENT_PRODUCER:
        return g_strconcat("producer.", key, NULL);
    case KAB_CLIENT_BOTH:
        return g_strconcat(key, " in [kafka]", NULL);
    }
    return NULL;
}

char *
kab_settings_dup_plain_hint(KabSettingsBuilder *builder,
                            KabSection section,
                            const char *key)
{
    if (builder->n_hints++ >= MOST_HINTS)
        return NULL;
    return g_strdup(kab_options_nearest(section, key));
}

char *
kab_settings_dup_hint(KabSettingsBuilder *builder, const char *key)
{
    if (builder->n_hints >= MOST_HINTS)
        return NULL;
    char *hint = kab_settings_dup_plain_hint(builder, KAB_SECTION_BINDING, key);
    if (!hint)
        hint = dup_right_prefix(key);
    return hint ? hint : dup_property(builder, key);
}
