/* SPDX-License-Identifier: Apache-2.0 */
/* Expands ${…} in values with the text of environment variables and files. The
 * inserted text is not expanded again.
 */
#include "ini.h"

#include <string.h>

#include "options-value.h"
#include "small-file.h"

static char *
get_variable(void *user, const char *name)
{
    return g_strdup(g_getenv(name));
}

static char *
get_file(void *user, const char *path, char **ret_problem)
{
    g_autofree char *quoted = kab_quote(path);
    g_autoptr(GError) error = NULL;
    size_t len;
    g_autofree char *content = kab_small_file_read(path, &len, &error);
    if (!content)
        *ret_problem = g_strdup_printf("found %s, which cannot be read (%s); "
                                       "wanted a file of 1 MiB at most",
                                       quoted, error->message);
    else if (strlen(content) != len || !g_utf8_validate(content, -1, NULL))
        *ret_problem = g_strdup_printf("found %s, which is no text; wanted "
                                       "UTF-8 without NUL",
                                       quoted);
    else
        return g_steal_pointer(&content);
    return NULL;
}

const KabIniWorld kab_ini_world = {get_variable, get_file, NULL};

/* The file's text without its last newline. */
static char *
look_up_file(const char *path, const KabIniWorld *world, char **ret_problem)
{
    char *content = world->get_file(world->user, path, ret_problem);
    size_t len = content ? strlen(content) : 0;
    if (len && content[len - 1] == '\n')
        content[--len] = '\0';
    if (len && content[len - 1] == '\r')
        content[--len] = '\0';
    return content;
}

static bool
is_variable_name(const char *name)
{
    static const char *const characters =
        G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_";
    return *name && !name[strspn(name, characters)];
}

/* "NAME" or "NAME:-default" */
static char *
look_up_variable(const char *inside,
                 const KabIniWorld *world,
                 char **ret_problem)
{
    const char *dash = strstr(inside, ":-");
    size_t name_len = dash ? (size_t)(dash - inside) : strlen(inside);
    g_autofree char *name = g_strndup(inside, name_len);
    if (!is_variable_name(name)) {
        *ret_problem = g_strdup("found ${…} around no name; wanted ${NAME}, "
                                "${NAME:-default}, ${file:PATH}, or $$ for a "
                                "dollar");
        return NULL;
    }
    g_autofree char *value = world->get_variable(world->user, name);
    if (dash && (!value || !*value))
        return g_strdup(dash + strlen(":-"));
    if (value && g_utf8_validate(value, -1, NULL))
        return g_steal_pointer(&value);
    *ret_problem =
        value ? g_strdup_printf("found ${%s}, which is not UTF-8; wanted a "
                                "text",
                                name)
              : g_strdup_printf("found ${%s}, which is not in the "
                                "environment; wanted it set, or "
                                "${%s:-default}",
                                name, name);
    return NULL;
}

/* Expands one "${…}" that starts at *at; moves *at past the "}". */
static char *
expand_one(const char **at, const KabIniWorld *world, char **ret_problem)
{
    static const char file[] = "file:";
    const char *start = *at + strlen("${");
    const char *end = strchr(start, '}');
    if (!end) {
        *ret_problem = g_strdup("found ${ without its }; wanted ${NAME}, or "
                                "$$ for a dollar");
        return NULL;
    }
    *at = end + 1;
    g_autofree char *inside = g_strndup(start, (size_t)(end - start));
    if (g_str_has_prefix(inside, file))
        return look_up_file(inside + strlen(file), world, ret_problem);
    return look_up_variable(inside, world, ret_problem);
}

char *
kab_ini_expand(const char *value,
               const KabIniWorld *world,
               KabIniOrigin *ret_origin,
               char **ret_problem)
{
    g_autoptr(GString) expanded = g_string_new(NULL);
    *ret_origin = KAB_INI_VERBATIM;
    for (const char *at = value; *at;) {
        if (at[0] == '$' && at[1] == '{') {
            *ret_origin = KAB_INI_EXPANDED;
            g_autofree char *found = expand_one(&at, world, ret_problem);
            if (!found)
                return NULL;
            g_string_append(expanded, found);
            continue;
        }
        if (at[0] == '$' && at[1] == '$')
            at++;
        g_string_append_c(expanded, *at++);
    }
    return g_string_free(g_steal_pointer(&expanded), FALSE);
}
