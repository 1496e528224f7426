/* SPDX-License-Identifier: Apache-2.0 */
#include "http-plan.h"

#include <string.h>

#include <curl/curl.h>

#include "http-plan-internal.h"
#include "http-tensor.h"

/* Secrets shorter than this are not replaced in texts: censoring every "a"
 * would hide the message, not the secret. */
enum { SECRET_MIN_BYTES = 4, SHOWN_MAX_BYTES = 400 };

static void
clear_pair(void *data)
{
    KabHttpPair *pair = data;
    g_free(pair->name);
    g_free(pair->pointer);
}

static GArray *
new_pairs(void)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(KabHttpPair));
    g_array_set_clear_func(pairs, clear_pair);
    return pairs;
}

char *
kab_http_plan_dup(KabContext *context, const char *name, const char *otherwise)
{
    const char *given = kab_context_get_string(context, name);
    return g_strdup(given ? given : otherwise);
}

static bool
check_pointer(KabContext *context, const char *name, const char *pointer)
{
    if (!pointer || kab_json_pointer_is_valid(pointer))
        return true;
    return kab_context_fail(context,
                            "function.%s: found \"%s\"; wanted a JSON Pointer "
                            "such as /data/0",
                            name, pointer);
}

static bool
read_pointer(KabContext *context,
             const char *name,
             const char *otherwise,
             char **ret_pointer)
{
    *ret_pointer = kab_http_plan_dup(context, name, otherwise);
    return check_pointer(context, name, *ret_pointer);
}

/* Keeps the URL's password, and what Basic authentication makes of it, for
 * kab_http_plan_censor(). */
static void
read_password(KabHttpPlan *plan, CURLU *parts)
{
    char *user = NULL, *password = NULL;
    if (curl_url_get(parts, CURLUPART_USER, &user, CURLU_URLDECODE) ==
            CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PASSWORD, &password, CURLU_URLDECODE) ==
            CURLUE_OK) {
        g_autofree char *both = g_strconcat(user, ":", password, NULL);
        plan->url_password = g_strdup(password);
        plan->url_credentials =
            g_base64_encode((const unsigned char *)both, strlen(both));
    }
    curl_free(user);
    curl_free(password);
}

/* Splits the URL into the parts that may be shown and that other URLs are built
 * from. */
static bool
read_url(KabHttpPlan *plan, KabContext *context)
{
    plan->url = kab_http_plan_dup(context, "url", NULL);
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    bool is_right =
        curl_url_set(parts, CURLUPART_URL, plan->url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        g_str_has_prefix(scheme, "http") &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
            CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK;
    if (is_right) {
        plan->root = g_strdup_printf("%s://%s:%s", scheme, host, port);
        plan->place = g_strconcat(plan->root, path, NULL);
        read_password(plan, parts);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(parts);
    return is_right ||
           kab_context_fail(context, "function.url: found no URL; wanted "
                                     "http://HOST:PORT/PATH or https://…");
}

static bool
read_url_template(KabHttpPlan *plan, KabContext *context)
{
    g_autofree char *problem = NULL;
    KabHttpTemplate *template = kab_http_template_new(plan->url, &problem);
    if (!template)
        return kab_context_fail(context, "function.url: %s", problem);
    if (!kab_http_template_needs_record(template)) {
        kab_http_template_free(template);
        return true;
    }
    plan->url_template = template;
    return plan->is_each ||
           kab_context_fail(context, "function.url: found placeholders of a "
                                     "record; wanted function.mode = each");
}

static void
read_headers(KabHttpPlan *plan, KabContext *context)
{
    const char *key;
    for (size_t i = 0; (key = kab_context_get_key(context, "header.*", i)); i++)
        g_ptr_array_add(plan->headers,
                        g_strdup_printf("%s: %s", key + strlen("header."),
                                        kab_context_get_string(context, key)));
}

/* aws:amz:REGION:SERVICE, as libcurl writes it. */
static bool
read_signature(KabHttpPlan *plan, KabContext *context)
{
    const char *text = kab_context_get_string(context, "aws.sigv4");
    if (!text)
        return true;
    g_auto(GStrv) words = g_strsplit(text, ":", -1);
    if (g_strv_length(words) != 4 || strcmp(words[0], "aws") != 0 ||
        strcmp(words[1], "amz") != 0 || !*words[2] || !*words[3])
        return kab_context_fail(context,
                                "function.aws.sigv4: found \"%s\"; wanted "
                                "aws:amz:REGION:SERVICE",
                                text);
    plan->aws_region = g_strdup(words[2]);
    plan->aws_service = g_strdup(words[3]);
    return true;
}

static bool
read_transport(KabHttpPlan *plan, KabContext *context)
{
    plan->unix_socket = kab_http_plan_dup(context, "unix.socket", NULL);
    plan->method = kab_http_plan_dup(context, "method", NULL);
    plan->content_type =
        kab_http_plan_dup(context, "content.type", plan->preset->content_type);
    plan->ready_url = kab_http_plan_dup(context, "ready.url", NULL);
    plan->token = kab_http_plan_dup(context, "bearer.token", NULL);
    plan->token_file = kab_http_plan_dup(context, "bearer.token.file", NULL);
    plan->tls_ca = kab_http_plan_dup(context, "tls.ca", NULL);
    plan->tls_cert = kab_http_plan_dup(context, "tls.cert", NULL);
    plan->tls_key = kab_http_plan_dup(context, "tls.key", NULL);
    plan->verifies_tls = kab_context_get_boolean(context, "tls.verify");
    plan->has_request_id = kab_context_get_boolean(context, "request.id");
    plan->connect_timeout_ms =
        kab_context_get_duration_us(context, "connect.timeout") / 1000;
    plan->max_response_bytes =
        (size_t)kab_context_get_size(context, "response.max.bytes");
    read_headers(plan, context);
    if (!read_signature(plan, context))
        return false;
    if (plan->token && plan->token_file)
        return kab_context_fail(context,
                                "found function.bearer.token and "
                                "function.bearer.token.file; wanted one");
    return kab_http_plan_check_transport(plan, context);
}

static bool
read_fields(KabHttpPlan *plan, KabContext *context)
{
    const char *text = kab_context_get_string(context, "fields");
    g_auto(GStrv) pointers = g_strsplit(text ? text : "", ",", -1);
    for (char **at = pointers; text && *at; at++) {
        char *pointer = g_strdup(g_strstrip(*at));
        g_ptr_array_add(plan->fields, pointer);
        if (!*pointer)
            return kab_context_fail(context,
                                    "function.fields: found nothing between "
                                    "commas; wanted JSON Pointers");
        if (!check_pointer(context, "fields", pointer))
            return false;
    }
    const char *missing = kab_context_get_string(context, "fields.missing");
    if (strcmp(missing, "reject") == 0)
        return true;
    plan->missing = KAB_HTTP_MISSING_VALUE;
    plan->missing_value = g_strdup(missing);
    KabSpan value;
    KabJsonType type = KAB_JSON_ABSENT;
    if (kab_json_check(missing, strlen(missing), KAB_JSON_STRICT, &value, NULL))
        type = kab_json_type(value);
    return type == KAB_JSON_NULL || type == KAB_JSON_NUMBER ||
           kab_context_fail(context,
                            "function.fields.missing: found \"%s\"; wanted "
                            "reject, null or a number",
                            missing);
}

static bool
read_pairs(GArray *pairs, KabContext *context, const char *prefix)
{
    const char *key;
    g_autofree char *pattern = g_strconcat(prefix, "*", NULL);
    for (size_t i = 0; (key = kab_context_get_key(context, pattern, i)); i++) {
        const char *pointer = kab_context_get_string(context, key);
        if (strcmp(key, "output.name") == 0)
            continue;
        KabHttpPair pair = {g_strdup(key + strlen(prefix)), g_strdup(pointer)};
        g_array_append_val(pairs, pair);
        if (!check_pointer(context, key, pointer))
            return false;
    }
    return true;
}

static void
name_columns(KabHttpPlan *plan)
{
    GString *text = g_string_new("[");
    for (guint i = 0; i < plan->fields->len + plan->columns->len; i++) {
        const char *name = i < plan->fields->len
                               ? strrchr(plan->fields->pdata[i], '/')
                               : g_array_index(plan->columns, KabHttpPair,
                                               i - plan->fields->len)
                                     .name;
        if (i < plan->fields->len)
            name = name ? name + 1 : "value";
        gsize from = text->len + (i > 0);
        g_string_append(text, i > 0 ? "," : "");
        g_string_set_size(text,
                          from + kab_json_encoded_len(name, strlen(name)));
        kab_json_encode(name, strlen(name), text->str + from);
    }
    g_string_append_c(text, ']');
    plan->columns_text = g_string_free(text, FALSE);
}

static bool
check_rows(KabHttpPlan *plan, KabContext *context)
{
    const KabHttpPreset *preset = plan->preset;
    bool has_rows = plan->fields->len > 0 || plan->columns->len > 0;
    if (plan->columns->len > 0 && preset->columns == KAB_HTTP_COLUMNS_NONE)
        return kab_context_fail(context,
                                "function.column.*: preset %s takes no columns",
                                preset->name);
    if (plan->columns->len > 0 && plan->fields->len > 0)
        return kab_context_fail(context, "found function.fields and "
                                         "function.column.*; wanted one");
    if ((preset->flags & KAB_HTTP_NEEDS_FIELDS) && !has_rows)
        return kab_context_fail(
            context, "preset %s: wanted %sfunction.column.NAME = /pointer",
            preset->name,
            preset->columns == KAB_HTTP_COLUMNS_SPLIT ? "function.fields or "
                                                      : "");
    return true;
}

static bool
read_source(KabHttpPlan *plan, KabContext *context)
{
    if (!read_pointer(context, "select", NULL, &plan->select) ||
        !read_fields(plan, context) ||
        !read_pairs(plan->columns, context, "column.") ||
        !check_rows(plan, context))
        return false;
    name_columns(plan);
    plan->has_envelope = kab_context_get_boolean(context, "envelope");
    if (plan->has_envelope && (plan->fields->len || plan->columns->len))
        return kab_context_fail(context, "found function.envelope and rows of "
                                         "fields or columns; wanted one");
    return true;
}

static KabHttpSplit
split_of(const KabHttpPlan *plan, const char *given)
{
    static const char *const names[] = {
        [KAB_HTTP_SPLIT_ARRAY] = "array", [KAB_HTTP_SPLIT_NDJSON] = "ndjson",
        [KAB_HTTP_SPLIT_ROWS] = "rows",   [KAB_HTTP_SPLIT_PARTS] = "parts",
        [KAB_HTTP_SPLIT_WHOLE] = "whole",
    };
    for (size_t i = 0; given && i < G_N_ELEMENTS(names); i++)
        if (strcmp(names[i], given) == 0)
            return (KabHttpSplit)i;
    return plan->preset->split;
}

static bool
read_answer(KabHttpPlan *plan, KabContext *context)
{
    const KabHttpPreset *preset = plan->preset;
    bool are_outputs =
        plan->columns->len > 0 && strcmp(preset->name, "instances") == 0;
    plan->split = split_of(plan, kab_context_get_string(context, "split"));
    if (plan->split == KAB_HTTP_SPLIT_WHOLE && !plan->is_each)
        return kab_context_fail(context, "function.split = whole: wanted "
                                         "function.mode = each");
    return read_pointer(context, "items",
                        are_outputs ? "/outputs" : preset->items,
                        &plan->items) &&
           read_pointer(context, "index", preset->index, &plan->index) &&
           read_pointer(context, "value", preset->value, &plan->value) &&
           read_pointer(context, "error", preset->error, &plan->error);
}

static bool
read_output(KabHttpPlan *plan, KabContext *context)
{
    const char *output = kab_context_get_string(context, "output");
    if (!read_pairs(plan->puts, context, "output."))
        return false;
    for (guint i = 0; i < plan->puts->len; i++)
        if (!check_pointer(context, "output.POINTER",
                           g_array_index(plan->puts, KabHttpPair, i).name))
            return false;
    bool replaces = strcmp(output, "replace") == 0;
    if (plan->puts->len > 0 && !replaces)
        return kab_context_fail(context, "found function.output and "
                                         "function.output.POINTER; wanted one");
    if (plan->puts->len > 0) {
        plan->output = KAB_HTTP_OUTPUT_PUT;
    } else if (strcmp(output, "both") == 0) {
        plan->output = KAB_HTTP_OUTPUT_BOTH;
    } else if (!replaces) {
        KabHttpPair pair = {g_strdup(output), g_strdup("")};
        g_array_append_val(plan->puts, pair);
        plan->output = KAB_HTTP_OUTPUT_PUT;
        return check_pointer(context, "output", output);
    }
    return true;
}

/* They would be ignored. */
static bool
check_tensor_options(const KabHttpPlan *plan, KabContext *context)
{
    static const char *const names[] = {"datatype", "input.name",
                                        "output.name"};
    if (plan->preset->tells == KAB_HTTP_TELLS_V2)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (kab_context_get_string(context, names[i]))
            return kab_context_fail(context,
                                    "function.%s: found it with preset %s; "
                                    "wanted preset kserve-v2 or "
                                    "kserve-v2-binary",
                                    names[i], plan->preset->name);
    return true;
}

static bool
read_tensors(KabHttpPlan *plan, KabContext *context)
{
    if (!check_tensor_options(plan, context))
        return false;
    plan->input_name = kab_http_plan_dup(context, "input.name", NULL);
    plan->output_name = kab_http_plan_dup(context, "output.name", NULL);
    plan->datatype = kab_http_plan_dup(context, "datatype", NULL);
    if (plan->preset->body == KAB_HTTP_BODY_TENSOR && plan->datatype &&
        kab_http_datatype_is_half(plan->datatype))
        return kab_context_fail(context,
                                "function.datatype: %s cannot travel as JSON; "
                                "wanted preset kserve-v2-binary",
                                plan->datatype);
    return true;
}

static void
read_choices(KabHttpPlan *plan, KabContext *context)
{
    const char *mode = kab_context_get_string(context, "mode");
    const char *null = kab_context_get_string(context, "null");
    const char *preset = kab_context_get_string(context, "preset");
    plan->preset = kab_http_preset_find(preset);
    plan->is_each = mode ? strcmp(mode, "each") == 0
                         : (plan->preset->flags & KAB_HTTP_EACH) != 0;
    plan->null = strcmp(null, "drop") == 0   ? KAB_HTTP_NULL_DROP
                 : strcmp(null, "pass") == 0 ? KAB_HTTP_NULL_PASS
                                             : KAB_HTTP_NULL_REJECT;
    plan->is_base64 =
        strcmp(kab_context_get_string(context, "encoding"), "base64") == 0;
    plan->dimensions = (size_t)kab_context_get_integer(context, "dimensions");
}

KabHttpPlan *
kab_http_plan_new(KabContext *context)
{
    KabHttpPlan *plan = g_new0(KabHttpPlan, 1);
    plan->headers = g_ptr_array_new_with_free_func(g_free);
    plan->fields = g_ptr_array_new_with_free_func(g_free);
    plan->columns = new_pairs();
    plan->puts = new_pairs();
    read_choices(plan, context);
    if (read_url(plan, context) && read_url_template(plan, context) &&
        read_transport(plan, context) && read_source(plan, context) &&
        kab_http_plan_read_body(plan, context) && read_answer(plan, context) &&
        read_output(plan, context) && read_tensors(plan, context))
        return plan;
    kab_http_plan_free(plan);
    return NULL;
}

void
kab_http_plan_free(KabHttpPlan *plan)
{
    char **texts[] = {
        &plan->url,          &plan->place,          &plan->root,
        &plan->method,       &plan->unix_socket,    &plan->content_type,
        &plan->ready_url,    &plan->token,          &plan->token_file,
        &plan->aws_region,   &plan->aws_service,    &plan->tls_ca,
        &plan->tls_cert,     &plan->tls_key,        &plan->model,
        &plan->extra,        &plan->select,         &plan->items,
        &plan->columns_text, &plan->index,          &plan->value,
        &plan->error,        &plan->input_name,     &plan->output_name,
        &plan->datatype,     &plan->missing_value,  &plan->file_token,
        &plan->url_password, &plan->url_credentials};
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
    KabHttpTemplate *templates[] = {plan->url_template, plan->prefix,
                                    plan->item, plan->separator, plan->suffix};
    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++)
        kab_http_template_free(templates[i]);
    g_ptr_array_free(plan->headers, TRUE);
    g_ptr_array_free(plan->fields, TRUE);
    g_array_free(plan->columns, TRUE);
    g_array_free(plan->puts, TRUE);
    g_free(plan);
}

static void
hide_secret(GString *text, const char *secret)
{
    if (secret && strlen(secret) >= SECRET_MIN_BYTES)
        g_string_replace(text, secret, "***", 0);
}

char *
kab_http_plan_censor(const KabHttpPlan *plan, const char *text, size_t len)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)len);
    GString *shown = g_string_new(valid);
    hide_secret(shown, plan->token);
    hide_secret(shown, plan->file_token);
    hide_secret(shown, plan->url_password);
    hide_secret(shown, plan->url_credentials);
    for (guint i = 0; i < plan->headers->len; i++)
        hide_secret(shown, strchr(plan->headers->pdata[i], ':') + 2);
    for (gsize i = 0; i < shown->len; i++)
        if ((unsigned char)shown->str[i] < ' ')
            shown->str[i] = ' ';
    if (shown->len > SHOWN_MAX_BYTES) {
        const char *cut =
            g_utf8_find_prev_char(shown->str, shown->str + SHOWN_MAX_BYTES);
        g_string_truncate(shown, (gsize)(cut - shown->str));
        g_string_append(shown, "…");
    }
    return g_string_free(shown, FALSE);
}
