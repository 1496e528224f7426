/* SPDX-License-Identifier: Apache-2.0 */
/* What would fail, or be sent wrongly, at each request is found at the
 * start. Values of secret options are never shown.
 */
#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <curl/curl.h>

#include "http-plan-internal.h"

/* Such a character would end the header and begin another one. */
bool
kab_http_header_is_clean(const char *value)
{
    for (const char *c = value; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

bool
kab_http_url_is_valid(const char *url)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    bool is_valid =
        curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return is_valid;
}

static bool
is_token(const char *name, size_t len)
{
    static const char *const characters =
        G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "!#$%&'*+-.^_`|~";
    return len > 0 && strspn(name, characters) >= len;
}

static bool
is_header(const char *line, const char *name)
{
    size_t len = strlen(name);
    return g_ascii_strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* `line` is "NAME: VALUE", as it is sent. */
static bool
check_header(const KabHttpPlan *plan, KabContext *context, const char *line)
{
    static const char *const own[] = {"Content-Length", "Transfer-Encoding",
                                      "Expect"};
    const char *colon = strstr(line, ": ");
    g_autofree char *name = g_strndup(line, (size_t)(colon - line));
    if (!is_token(name, strlen(name)))
        return kab_context_fail(context,
                                "function.header.%s: found a name that is not "
                                "a header's; wanted letters, digits and -",
                                name);
    if (!kab_http_header_is_clean(colon))
        return kab_context_fail(context,
                                "function.header.%s: found a control "
                                "character, such as a newline; wanted one line",
                                name);
    for (size_t i = 0; i < G_N_ELEMENTS(own); i++)
        if (is_header(line, own[i]))
            return kab_context_fail(context,
                                    "function.header.%s: found a header that "
                                    "each request gets by itself; wanted none",
                                    name);
    if (is_header(line, "Content-Type"))
        return kab_context_fail(context,
                                "function.header.%s: found the body's type; "
                                "wanted it as function.content.type",
                                name);
    if (is_header(line, "Authorization") && (plan->token || plan->token_file))
        return kab_context_fail(context,
                                "found function.header.%s and "
                                "function.bearer.token; wanted one",
                                name);
    return true;
}

static bool
check_headers(const KabHttpPlan *plan, KabContext *context)
{
    for (guint i = 0; i < plan->headers->len; i++)
        if (!check_header(plan, context, plan->headers->pdata[i]))
            return false;
    return kab_http_header_is_clean(plan->content_type) ||
           kab_context_fail(context,
                            "function.content.type: found a control character, "
                            "such as a newline; wanted one line");
}

static bool
check_token(const KabHttpPlan *plan, KabContext *context)
{
    if (!plan->token || (*plan->token && kab_http_header_is_clean(plan->token)))
        return true;
    return kab_context_fail(context,
                            "function.bearer.token: found %s; wanted a token",
                            *plan->token ? "a control character, such as a "
                                           "newline"
                                         : "nothing");
}

/* A file without a token would send requests that nobody signed. */
static bool
check_token_file(const KabHttpPlan *plan, KabContext *context)
{
    if (!plan->token_file)
        return true;
    if (access(plan->token_file, R_OK) != 0)
        return kab_context_fail(context,
                                "function.bearer.token.file: found \"%s\", "
                                "which cannot be read (%s); wanted a file",
                                plan->token_file, g_strerror(errno));
    g_autofree char *token = kab_http_token_read(plan->token_file);
    return token != NULL || kab_context_fail(context,
                                             "function.bearer.token.file: "
                                             "found no token in \"%s\"; wanted "
                                             "one line",
                                             plan->token_file);
}

static bool
check_socket(const KabHttpPlan *plan, KabContext *context)
{
    struct sockaddr_un address;
    if (!plan->unix_socket ||
        (*plan->unix_socket &&
         strlen(plan->unix_socket) < sizeof address.sun_path))
        return true;
    return kab_context_fail(context,
                            "function.unix.socket: found a path of %zu bytes; "
                            "wanted 1 to %zu",
                            strlen(plan->unix_socket),
                            sizeof address.sun_path - 1);
}

char *
kab_http_token_read(const char *path)
{
    char *text;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    g_strstrip(text);
    if (*text && kab_http_header_is_clean(text))
        return text;
    g_free(text);
    return NULL;
}

bool
kab_http_plan_check_transport(const KabHttpPlan *plan, KabContext *context)
{
    if (plan->ready_url && !kab_http_url_is_valid(plan->ready_url))
        return kab_context_fail(context,
                                "function.ready.url: found no URL; wanted "
                                "http://HOST:PORT/PATH or https://…");
    return check_headers(plan, context) && check_token(plan, context) &&
           check_token_file(plan, context) && check_socket(plan, context) &&
           kab_http_plan_check_tls(plan, context);
}
