/* SPDX-License-Identifier: Apache-2.0 */
#include "internal-topics.h"

#include <string.h>

#include <glib.h>

static const char *const internal[] = {
    "__consumer_offsets",
    "__share_group_state",
    "__transaction_state",
    NULL,
};

bool
kab_topic_is_internal(const char *topic)
{
    return g_strv_contains(internal, topic);
}

static bool
has_pattern(const char *const *topics)
{
    for (; *topics; topics++)
        if (**topics == '^')
            return true;
    return false;
}

/* The user's own topic.blacklist, with a trailing comma unless empty. */
static char *
dup_blacklist(const rd_kafka_conf_t *conf)
{
    size_t size = 0;
    if (rd_kafka_conf_get(conf, "topic.blacklist", NULL, &size) !=
            RD_KAFKA_CONF_OK ||
        size <= 1)
        return g_strdup("");
    g_autofree char *text = g_malloc(size);
    rd_kafka_conf_get(conf, "topic.blacklist", text, &size);
    return g_strconcat(text, ",", NULL);
}

void
kab_internal_topics_hide(rd_kafka_conf_t *conf, const char *const *topics)
{
    g_autofree char *given = dup_blacklist(conf);
    g_autoptr(GString) list = g_string_new(given);
    if (!has_pattern(topics))
        return;
    for (const char *const *name = internal; *name; name++)
        if (!g_strv_contains(topics, *name))
            g_string_append_printf(list, "^%s$,", *name);
    if (!list->len)
        return;
    g_string_truncate(list, list->len - 1);
    rd_kafka_conf_set(conf, "topic.blacklist", list->str, NULL, 0);
}
