/* SPDX-License-Identifier: Apache-2.0 */
#include "printable.h"

#include <glib.h>

/* U+0080 to U+009F count as well: U+009B begins an escape sequence. */
static bool
is_control(gunichar c)
{
    return c < ' ' || (c >= 0x7f && c < 0xa0);
}

bool
kab_is_printable(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL))
        return false;
    while (*text && !is_control(g_utf8_get_char(text)))
        text += g_utf8_skip[(guchar)*text];
    return !*text;
}

char *
kab_dup_printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *shown = g_string_new(NULL);
    for (char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (is_control(character))
            g_string_append_printf(shown, "\\x%02x", character);
        else
            g_string_append_unichar(shown, character);
    }
    return g_string_free(shown, FALSE);
}
