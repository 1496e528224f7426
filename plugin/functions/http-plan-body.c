/* SPDX-License-Identifier: Apache-2.0 */
/* The options that define a request's body. */
#include "http-plan.h"
#include "http-plan-internal.h"

#include <string.h>

/* Reads the members of body.extra and those of the preset, each with a leading
 * comma. */
static bool
read_extra(KabHttpPlan *plan, KabContext *context)
{
    const char *given = kab_context_get_string(context, "body.extra");
    GString *extra = g_string_new("");
    KabSpan object = KAB_SPAN_ABSENT;
    if (plan->preset->flags & KAB_HTTP_ENCODING) {
        g_string_append_printf(extra, ",\"encoding_format\":\"%s\"",
                               plan->is_base64 ? "base64" : "float");
        if (plan->dimensions > 0)
            g_string_append_printf(extra, ",\"dimensions\":%zu",
                                   plan->dimensions);
    }
    bool is_right = !given || (kab_json_check(given, strlen(given),
                                              KAB_JSON_STRICT, &object, NULL) &&
                               kab_json_type(object) == KAB_JSON_OBJECT);
    if (is_right && kab_json_count(object) > 0) {
        g_string_append_c(extra, ',');
        g_string_append_len(extra, object.at + 1, (gssize)object.len - 2);
    }
    plan->extra = g_string_free(extra, FALSE);
    return is_right ||
           kab_context_fail(context, "function.body.extra: found no JSON "
                                     "object; wanted {\"member\":value,…}");
}

/* Inserts the extra members before the closing brace of the body. */
static char *
add_extra(const KabHttpPlan *plan, char *suffix)
{
    char *brace = strrchr(suffix, '}');
    if (!brace || plan->extra[0] == '\0')
        return suffix;
    char *with = g_strdup_printf("%.*s%s%s", (int)(brace - suffix), suffix,
                                 plan->extra, brace);
    g_free(suffix);
    return with;
}

static bool
read_template(KabContext *context,
              const char *name,
              const char *text,
              bool is_item,
              KabHttpTemplate **ret_template)
{
    g_autofree char *problem = NULL;
    *ret_template = kab_http_template_new(text, &problem);
    if (!*ret_template)
        return kab_context_fail(context, "function.%s: %s", name, problem);
    return is_item || !kab_http_template_needs_record(*ret_template) ||
           kab_context_fail(context,
                            "function.%s: found a placeholder of a record; "
                            "wanted it in function.item",
                            name);
}

/* Replaces "\n" in an option by a newline, which a value cannot contain. */
static char *
dup_with_lines(KabContext *context, const char *name, const char *otherwise)
{
    g_autofree char *text = kab_http_plan_dup(context, name, otherwise);
    g_auto(GStrv) lines = g_strsplit(text, "\\n", -1);
    return g_strjoinv("\n", lines);
}

/* The prefix for a body of columns instead of items. */
static const char *
prefix_of(const KabHttpPlan *plan)
{
    if (plan->columns->len == 0 ||
        plan->preset->columns != KAB_HTTP_COLUMNS_LISTS ||
        strstr(plan->preset->prefix, "{columns}"))
        return plan->preset->prefix;
    return strcmp(plan->preset->name, "instances") == 0
               ? "{\"inputs\":{{columns}"
               : "{{columns}";
}

static const char *
suffix_of(const KabHttpPlan *plan)
{
    const char *prefix = prefix_of(plan);
    if (prefix == plan->preset->prefix)
        return plan->preset->suffix;
    return strcmp(plan->preset->name, "instances") == 0 ? "}}" : "}";
}

bool
kab_http_plan_read_body(KabHttpPlan *plan, KabContext *context)
{
    const KabHttpPreset *preset = plan->preset;
    g_autofree char *prefix =
        kab_http_plan_dup(context, "prefix", prefix_of(plan));
    g_autofree char *item = dup_with_lines(context, "item", preset->item);
    g_autofree char *separator =
        dup_with_lines(context, "separator", preset->separator);
    g_autofree char *suffix = NULL;
    plan->has_item = kab_context_get_string(context, "item") != NULL;
    plan->model = kab_http_plan_dup(context, "model", NULL);
    if ((preset->flags & KAB_HTTP_NEEDS_MODEL) && !plan->model)
        return kab_context_fail(context, "preset %s: wanted function.model",
                                preset->name);
    if (!plan->model)
        plan->model = g_strdup("");
    if (!read_extra(plan, context))
        return false;
    suffix =
        add_extra(plan, dup_with_lines(context, "suffix", suffix_of(plan)));
    if (plan->extra[0] && preset->body == KAB_HTTP_BODY_TEXT &&
        !strchr(suffix, '}'))
        return kab_context_fail(context,
                                "function.body.extra: the request of preset %s "
                                "is not a JSON object",
                                preset->name);
    return read_template(context, "prefix", prefix, false, &plan->prefix) &&
           read_template(context, "item", item, true, &plan->item) &&
           read_template(context, "separator", separator, false,
                         &plan->separator) &&
           read_template(context, "suffix", suffix, false, &plan->suffix);
}
