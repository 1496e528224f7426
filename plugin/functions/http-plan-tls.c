/* SPDX-License-Identifier: Apache-2.0 */
/* Files of certificates and keys, looked at before libcurl reads them at each
 * connection. What they hold is libcurl's to judge: here they must be PEM files
 * with the right kind of block, and go together.
 */
#include "http-plan-internal.h"

#include <string.h>

typedef struct {
    const char *option, *kind; /* the label of a block ends with the kind */
    const char *wanted;
} KabHttpPem;

static const KabHttpPem authorities = {
    "tls.ca", "CERTIFICATE", "a PEM file with the authorities to trust"};
static const KabHttpPem certificate = {
    "tls.cert", "CERTIFICATE", "a PEM file with the client's certificate"};
static const KabHttpPem private_key = {
    "tls.key", "PRIVATE KEY", "a PEM file with the client's private key"};

/* Does the text hold -----BEGIN … KIND----- and the end of that block? */
static bool
has_block(const char *text, const char *kind)
{
    g_autofree char *pattern =
        g_strdup_printf("^-----BEGIN ((?:[A-Z0-9]+ )*%s)-----[ \\t]*\\r?\\n"
                        ".*?^-----END \\1-----",
                        kind);
    return g_regex_match_simple(
        pattern, text, G_REGEX_MULTILINE | G_REGEX_DOTALL | G_REGEX_RAW, 0);
}

/* The file's text. NULL after kab_context_fail(). */
static char *
read_pem(KabContext *context, const KabHttpPem *pem, const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error))
        kab_context_fail(context,
                         "function.%s: found \"%s\", which cannot be "
                         "read (%s); wanted %s",
                         pem->option, path, error->message, pem->wanted);
    return text;
}

static bool
check_pem(KabContext *context, const KabHttpPem *pem, const char *path)
{
    if (!path)
        return true;
    g_autofree char *text = read_pem(context, pem, path);
    if (!text)
        return false;
    return has_block(text, pem->kind) ||
           kab_context_fail(context,
                            "function.%s: found \"%s\", which has no block "
                            "-----BEGIN %s-----; wanted %s",
                            pem->option, path, pem->kind, pem->wanted);
}

/* libcurl ignores a key without a certificate, and looks for the key of a
 * certificate without one in the certificate's file. */
static bool
check_pair(const KabHttpPlan *plan, KabContext *context)
{
    if (plan->tls_key && !plan->tls_cert)
        return kab_context_fail(context, "found function.tls.key without "
                                         "function.tls.cert; wanted both");
    if (!plan->tls_cert || plan->tls_key)
        return true;
    g_autofree char *text = read_pem(context, &certificate, plan->tls_cert);
    if (!text)
        return false;
    return has_block(text, private_key.kind) ||
           kab_context_fail(context,
                            "found function.tls.cert without "
                            "function.tls.key, and no private key in \"%s\"; "
                            "wanted both",
                            plan->tls_cert);
}

bool
kab_http_plan_check_tls(const KabHttpPlan *plan, KabContext *context)
{
    return check_pem(context, &authorities, plan->tls_ca) &&
           check_pem(context, &certificate, plan->tls_cert) &&
           check_pem(context, &private_key, plan->tls_key) &&
           check_pair(plan, context);
}
