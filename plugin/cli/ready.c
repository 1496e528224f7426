/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge ready: queries a running bridge's /ready, for health checks in
 * images without an HTTP client.
 */
#include <stdio.h>
#include <sysexits.h>

#include <jansson.h>

#include "cli.h"
#include "fetch.h"

enum { READY = 200, NOT_READY = 503 };

/* Prints one line per binding that is not ready. False: the body of the 503 is
 * not that of a bridge. */
static bool
print_reasons(const char *body)
{
    json_t *answer = json_loads(body, 0, NULL);
    json_t *reasons = json_object_get(answer, "reasons"), *reason;
    bool is_bridge = json_is_array(reasons);
    size_t i;
    json_array_foreach(reasons, i, reason)
    {
        const char *binding =
            json_string_value(json_object_get(reason, "binding"));
        const char *why = json_string_value(json_object_get(reason, "reason"));
        fprintf(stderr, "kabridge: not ready: binding %s: %s\n",
                binding ? binding : "?", why ? why : "no reason given");
    }
    if (is_bridge && json_array_size(reasons) == 0)
        fputs("kabridge: not ready: no reason given\n", stderr);
    json_decref(answer);
    return is_bridge;
}

int
kab_cli_ready(int argc, char **argv)
{
    if (!kab_cli_parse(&argc, &argv, "[URL]",
                       "Exits with 0 if a running bridge is ready; else with 69 "
                       "and the reasons on standard error. URL: of its admin "
                       "server (default " KAB_DEFAULT_URL ").",
                       NULL, 0, 1))
        return EX_USAGE;
    const char *url = argc > 1 ? argv[1] : KAB_DEFAULT_URL;
    g_autoptr(GError) error = NULL;
    unsigned status = 0;
    g_autofree char *body = kab_fetch_any(url, "/ready", &status, &error);
    if (!body)
        return kab_cli_fail(g_steal_pointer(&error));
    if (status == READY) {
        puts("ready");
        return EX_OK;
    }
    if (status != NOT_READY || !print_reasons(body))
        fprintf(stderr,
                "kabridge: %s/ready: found HTTP status %u; wanted 200 or the "
                "503 of a bridge's admin server\n",
                url, status);
    return EX_UNAVAILABLE;
}
