/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes without GLib's own thread that waits for them:
 * ThreadSanitizer cannot see into it.
 */
#include "kab-test.h"

#include <signal.h>
#include <sys/wait.h>

#include "child.h"
#include "fetch.h"

Child
child_spawn(const char *const *argv)
{
    Child child = {.log = g_string_new(NULL)};
    int errors, results;
    g_autoptr(GError) error = NULL;
    if (!g_spawn_async_with_pipes(
            NULL, (char **)(uintptr_t)argv, NULL,
            G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, NULL, NULL,
            &child.pid, NULL, &results, &errors, &error))
        g_error("%s", error->message);
    child.errors = fdopen(errors, "r");
    child.results = fdopen(results, "r");
    return child;
}

Child
child_spawn_command(const char *const *words)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *command =
        g_build_filename(g_getenv("top_builddir"), "kabridge", NULL);
    g_ptr_array_add(argv, command);
    for (const char *const *word = words; *word; word++)
        g_ptr_array_add(argv, (void *)(uintptr_t)*word);
    g_ptr_array_add(argv, NULL);
    return child_spawn((const char *const *)argv->pdata);
}

void
child_signal(const Child *child, int number)
{
    kill(child->pid, number);
}

void
child_clear(Child *child)
{
    if (child->pid) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        child->pid = 0;
    }
    g_clear_pointer(&child->errors, fclose);
    g_clear_pointer(&child->results, fclose);
    if (child->log)
        g_string_free(child->log, TRUE);
    g_free(child->output);
}

/* Returns the next line without its newline, a new string; NULL: end of
 * file. */
static char *
dup_line(FILE *stream)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n = getline(&line, &capacity, stream);
    char *copy = n < 0 ? NULL : g_strndup(line, (size_t)n);
    free(line);
    return copy ? g_strchomp(copy) : NULL;
}

bool
child_read_line(Child *child, char **ret_line)
{
    *ret_line = dup_line(child->errors);
    if (*ret_line)
        g_string_append_printf(child->log, "%s\n", *ret_line);
    return *ret_line != NULL;
}

char *
child_dup_after(Child *child, const char *wanted)
{
    char *line;
    while (child_read_line(child, &line)) {
        g_autofree char *owned = line;
        char *found = strstr(owned, wanted);
        if (found)
            return g_strdup(found + strlen(wanted));
    }
    fail_msg("no line with \"%s\" in:\n%s", wanted, child->log->str);
    return NULL;
}

void
child_wait_for(Child *child, const char *wanted)
{
    g_free(child_dup_after(child, wanted));
}

char *
child_dup_results(Child *child)
{
    GString *text = g_string_new(NULL);
    for (int c; (c = getc(child->results)) != EOF;)
        g_string_append_c(text, (char)c);
    return g_string_free(text, FALSE);
}

void
child_assert_exit(Child *child, int status)
{
    char *line;
    while (child_read_line(child, &line))
        g_free(line);
    child->output = child_dup_results(child);
    child_assert_status(child, status);
}

void
child_assert_status(Child *child, int status)
{
    int wait_status = 0;
    waitpid(child->pid, &wait_status, 0);
    child->pid = 0;
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != status)
        fail_msg("wait status %d, not exit %d, after:\n%s", wait_status, status,
                 child->log->str);
}

void
child_assert_said(const Child *child, const char *text)
{
    if (!strstr(child->log->str, text))
        fail_msg("\"%s\" is not in:\n%s", text, child->log->str);
}

void
child_await(const char *url, const char *path, const char *text)
{
    for (;;) {
        g_autofree char *answer = kab_fetch(url, path, NULL);
        assert_non_null(answer);
        if (strstr(answer, text))
            return;
        g_usleep(20000);
    }
}
