/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's function in its three forms: C in this program, a Python file
 * that workers run, and a model server that is asked over HTTP.
 */
#include "demo.h"

#include <unistd.h>

#include <glib/gstdio.h>

struct KabDemoMood {
    KabDemoKind kind;
    KabDemoServer *server;  /* of HTTP */
    char *directory, *path; /* of Python: a temporary directory, mood.py */
    char *options;
};

/* path, text */
static const struct {
    const char *path, *text;
} python_files[] = {
#include "plugin/cli/demo-python.inc"
};

static const char price[] = "a call takes %d ms and %.1f ms a record";

static bool
open_python(KabDemoMood *mood, GError **error)
{
    mood->directory = g_dir_make_tmp("kabridge-demo-XXXXXX", error);
    if (!mood->directory)
        return false;
    mood->path = g_build_filename(mood->directory, python_files[0].path, NULL);
    g_autofree char *word = g_shell_quote(mood->path);
    mood->options = g_strdup_printf("max.in.flight = 4\n"
                                    "function      = worker\n"
                                    "function.command = python3 %s\n"
                                    "function.workers = 2\n",
                                    word);
    return g_file_set_contents(mood->path, python_files[0].text, -1, error);
}

static bool
open_http(KabDemoMood *mood, GError **error)
{
    mood->server = kab_demo_server_new(error);
    if (!mood->server)
        return false;
    mood->options = g_strdup_printf("max.in.flight = 2\n"
                                    "function      = http\n"
                                    "function.url  = %s\n"
                                    "function.select = /text\n"
                                    "function.output = /mood\n",
                                    kab_demo_server_url(mood->server));
    return true;
}

static bool
open_c(KabDemoMood *mood)
{
    mood->options = g_strdup("max.in.flight = 2\n");
    return true;
}

static bool
open_kind(KabDemoMood *mood, GError **error)
{
    switch (mood->kind) {
    case KAB_DEMO_C:
        return open_c(mood);
    case KAB_DEMO_PYTHON:
        return open_python(mood, error);
    case KAB_DEMO_HTTP:
        return open_http(mood, error);
    }
    g_assert_not_reached();
}

KabDemoMood *
kab_demo_mood_new(KabDemoKind kind, GError **error)
{
    KabDemoMood *mood = g_new0(KabDemoMood, 1);
    mood->kind = kind;
    if (open_kind(mood, error))
        return mood;
    kab_demo_mood_free(mood);
    return NULL;
}

const char *
kab_demo_mood_options(const KabDemoMood *mood)
{
    return mood->options;
}

bool
kab_demo_mood_give(const KabDemoMood *mood, KabBridge *bridge, GError **error)
{
    return mood->kind != KAB_DEMO_C ||
           kab_bridge_set_function(bridge, "mood", &kab_demo_function, error);
}

char *
kab_demo_mood_dup_beginning(const KabDemoMood *mood)
{
    g_autofree char *cost = g_strdup_printf(price, KAB_DEMO_CALL_US / 1000,
                                            KAB_DEMO_RECORD_US / 1000.0);
    switch (mood->kind) {
    case KAB_DEMO_C:
        return g_strdup_printf("The function stands for a model: %s.", cost);
    case KAB_DEMO_PYTHON:
        return g_strdup_printf("The function is mood.py, shown below, in two "
                               "Python processes. It stands for a model: %s.",
                               cost);
    case KAB_DEMO_HTTP:
        return g_strdup_printf(
            "The function is a model server, which takes an array of texts: "
            "%s. Ask it yourself:\n    curl -d '[\"lovely coffee\"]' %s",
            cost, kab_demo_server_url(mood->server));
    }
    g_assert_not_reached();
}

const char *
kab_demo_mood_source(const KabDemoMood *mood)
{
    return mood->kind == KAB_DEMO_PYTHON ? python_files[0].text : NULL;
}

char *
kab_demo_mood_dup_end(const KabDemoMood *mood)
{
    if (!mood->server)
        return NULL;
    return g_strdup_printf("The model server got %u requests",
                           kab_demo_server_n_requests(mood->server));
}

void
kab_demo_mood_free(KabDemoMood *mood)
{
    if (!mood)
        return;
    kab_demo_server_free(mood->server);
    if (mood->path)
        g_unlink(mood->path);
    if (mood->directory)
        g_rmdir(mood->directory);
    g_free(mood->path);
    g_free(mood->directory);
    g_free(mood->options);
    g_free(mood);
}
