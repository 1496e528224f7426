/* SPDX-License-Identifier: Apache-2.0 */
/* Processes by GSubprocess. */
#include "kab-test.h"

#include "child.h"

Child
child_spawn(const char *const *argv)
{
    Child child = {.log = g_string_new(NULL)};
    child.process = g_subprocess_newv(
        argv, G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
        NULL);
    g_assert(child.process);
    child.errors =
        g_data_input_stream_new(g_subprocess_get_stderr_pipe(child.process));
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
child_clear(Child *child)
{
    if (!child->process)
        return;
    g_subprocess_force_exit(child->process);
    g_subprocess_wait(child->process, NULL, NULL);
    g_clear_object(&child->errors);
    g_clear_object(&child->process);
    g_string_free(child->log, TRUE);
    g_free(child->output);
}

bool
child_read_line(Child *child, char **ret_line)
{
    char *line = g_data_input_stream_read_line(child->errors, NULL, NULL, NULL);
    if (line)
        g_string_append_printf(child->log, "%s\n", line);
    *ret_line = line;
    return line != NULL;
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

static char *
dup_output(Child *child)
{
    GString *text = g_string_new(NULL);
    GInputStream *stream = g_subprocess_get_stdout_pipe(child->process);
    char piece[4096];
    gssize n;
    while ((n = g_input_stream_read(stream, piece, sizeof piece, NULL, NULL)) >
           0)
        g_string_append_len(text, piece, n);
    return g_string_free(text, FALSE);
}

void
child_assert_exit(Child *child, int status)
{
    char *line;
    while (child_read_line(child, &line))
        g_free(line);
    child->output = dup_output(child);
    g_subprocess_wait(child->process, NULL, NULL);
    if (!g_subprocess_get_if_exited(child->process) ||
        g_subprocess_get_exit_status(child->process) != status)
        fail_msg("wait status %d, not %d, after:\n%s",
                 g_subprocess_get_status(child->process), status,
                 child->log->str);
}

void
child_assert_said(const Child *child, const char *text)
{
    if (!strstr(child->log->str, text))
        fail_msg("\"%s\" is not in:\n%s", text, child->log->str);
}
