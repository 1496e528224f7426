/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the text. Quoted text and comments are copied; in the rest,
 * only parentheses, IN, :keys and the semicolon have a meaning.
 *
 * PostgreSQL infers the types of its parameters only where they are compared.
 * So a composite key is compared column by column, which gives the types, and
 * then as a whole, which gives the pairs:
 *
 *   (a, b) IN (:keys)   =>   ((a) = ANY ($1) AND (b) = ANY ($2) AND
 *                             (a, b) IN (SELECT * FROM unnest($1, $2)))
 */
#include "sql-query.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sql-arena.h"

enum { MAX_DEPTH = 64 };

typedef struct {
    const char *at; /* position in the query */
    SqlDialect dialect;
    unsigned n_parts;
    char *out;
    size_t len, capacity;
    /* offsets into `out`: open parentheses, and the group closed last */
    size_t open[MAX_DEPTH];
    unsigned depth;
    size_t group_start, group_end;
    bool has_keys;
    char *why; /* the first fault; empty: none */
    size_t why_size;
} Expansion;

/* --- Output ------------------------------------------------------------ */

static void
write_bytes(Expansion *x, const char *text, size_t len)
{
    if (x->len + len + 1 > x->capacity) {
        x->capacity = 2 * (x->len + len + 1);
        char *grown = realloc(x->out, x->capacity);
        if (!grown)
            abort();
        x->out = grown;
    }
    memcpy(x->out + x->len, text, len);
    x->len += len;
    x->out[x->len] = '\0';
}

static void
write_text(Expansion *x, const char *text)
{
    write_bytes(x, text, strlen(text));
}

static void
write_number(Expansion *x, const char *before, unsigned n, const char *after)
{
    char text[64];
    snprintf(text, sizeof text, "%s%u%s", before, n, after);
    write_text(x, text);
}

static void
copy_to(Expansion *x, const char *end)
{
    write_bytes(x, x->at, (size_t)(end - x->at));
    x->at = end;
}

static void
fail_query(Expansion *x, const char *why)
{
    if (!*x->why)
        snprintf(x->why, x->why_size, "%s", why);
}

/* --- Tokens ------------------------------------------------------------ */

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Returns the end of quoted text; a doubled quote is part of it. */
static const char *
skip_quoted(const char *at, char quote)
{
    for (at++; *at; at++)
        if (*at == quote && *++at != quote)
            return at;
    return at;
}

static const char *
skip_block_comment(const char *at)
{
    const char *end = strstr(at + 2, "*/");
    return end ? end + 2 : at + strlen(at);
}

/* Skips $tag$ … $tag$; NULL: not at `at`. */
static const char *
skip_dollar_quoted(const char *at)
{
    const char *end = at + 1;
    while (is_word(*end))
        end++;
    if (*end != '$' || isdigit((unsigned char)at[1]))
        return NULL;
    size_t len = (size_t)(end + 1 - at);
    for (const char *close = end + 1; *close; close++)
        if (strncmp(close, at, len) == 0)
            return close + len;
    return at + strlen(at);
}

/* Skips text that is copied verbatim; NULL: there is none at `at`. */
static const char *
skip_opaque(const Expansion *x, const char *at)
{
    if (*at == '\'' || *at == '"')
        return skip_quoted(at, *at);
    if (*at == '-' && at[1] == '-')
        return at + strcspn(at, "\n");
    if (*at == '/' && at[1] == '*')
        return skip_block_comment(at);
    if (*at == '$' && x->dialect == SQL_POSTGRES)
        return skip_dollar_quoted(at);
    return NULL;
}

static const char *
skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Skips :keys; NULL: not at `at`. */
static const char *
skip_keys(const char *at)
{
    if (strncmp(at, ":keys", 5) != 0 || is_word(at[5]))
        return NULL;
    return at + 5;
}

/* Skips `IN (:keys)`; NULL: not at `at`. */
static const char *
skip_in_keys(const char *at)
{
    if (strncasecmp(at, "in", 2) != 0 || is_word(at[2]))
        return NULL;
    at = skip_blanks(at + 2);
    if (*at != '(')
        return NULL;
    at = skip_keys(skip_blanks(at + 1));
    if (!at)
        return NULL;
    at = skip_blanks(at);
    return *at == ')' ? at + 1 : NULL;
}

/* --- Replaced ---------------------------------------------------------- */

static void
write_keys(Expansion *x)
{
    x->has_keys = true;
    if (x->dialect == SQL_SQLITE) {
        write_text(x, "?1");
        return;
    }
    for (unsigned p = 1; p <= x->n_parts; p++)
        write_number(x, p > 1 ? ", $" : "$", p, "");
}

static void
write_in_sqlite(Expansion *x)
{
    write_text(x, "IN (SELECT ");
    for (unsigned p = 0; p < x->n_parts && x->n_parts > 1; p++)
        write_number(x, p ? ", value ->> " : "value ->> ", p, "");
    if (x->n_parts == 1)
        write_text(x, "value");
    write_text(x, " FROM json_each(?2))");
}

/* Writes one comparison for each column of the group before IN. */
static void
write_comparisons(Expansion *x, const char *group)
{
    unsigned part = 0;
    int depth = 0;
    const char *from = group + 1;
    for (const char *at = from;;) {
        const char *end = skip_opaque(x, at);
        if (end) {
            at = end;
            continue;
        }
        if (!*at || (depth == 0 && (*at == ',' || *at == ')'))) {
            write_text(x, "(");
            write_bytes(x, from, (size_t)(at - from));
            write_number(x, ") = ANY ($", ++part, ") AND ");
            from = at + 1;
            if (*at != ',')
                break;
        }
        depth += *at == '(';
        depth -= *at == ')';
        at++;
    }
    if (part != x->n_parts)
        fail_query(x, "found another number of columns before IN (:keys) than "
                      "pointers in key; wanted as many");
}

static void
write_in_postgres(Expansion *x)
{
    if (x->n_parts == 1) {
        write_text(x, "= ANY ($1)");
        return;
    }
    size_t len = x->group_end - x->group_start;
    char *group = sql_alloc(len + 1);
    memcpy(group, x->out + x->group_start, len);
    group[len] = '\0';
    x->len = x->group_start;
    write_text(x, "(");
    write_comparisons(x, group);
    write_text(x, group);
    write_text(x, " IN (SELECT * FROM unnest(");
    write_keys(x);
    write_text(x, ")))");
    free(group);
}

/* Does a group end right before the next output? */
static bool
follows_group(const Expansion *x)
{
    size_t len = x->len;
    while (len && isspace((unsigned char)x->out[len - 1]))
        len--;
    return len && x->group_end == len;
}

static void
write_in_keys(Expansion *x)
{
    x->has_keys = true;
    if (x->n_parts > 1 && !follows_group(x)) {
        fail_query(
            x, "found one column before IN (:keys), and several pointers in "
               "key; wanted as many columns in parentheses: (a, b) IN "
               "(:keys)");
        return;
    }
    if (x->dialect == SQL_SQLITE)
        write_in_sqlite(x);
    else
        write_in_postgres(x);
}

/* --- The pass ---------------------------------------------------------- */

static void
copy_word(Expansion *x)
{
    const char *end = skip_in_keys(x->at);
    if (end) {
        write_in_keys(x);
        x->at = end;
        return;
    }
    end = x->at;
    while (is_word(*end))
        end++;
    copy_to(x, end);
}

static void
copy_colon(Expansion *x)
{
    const char *end = skip_keys(x->at);
    if (x->at[1] == ':') {
        copy_to(x, x->at + 2);
    } else if (end) {
        write_keys(x);
        x->at = end;
    } else {
        copy_to(x, x->at + 1);
    }
}

static void
copy_parenthesis(Expansion *x)
{
    if (*x->at == '(') {
        if (x->depth < MAX_DEPTH)
            x->open[x->depth] = x->len;
        x->depth++;
    }
    copy_to(x, x->at + 1);
    if (x->at[-1] == ')' && x->depth > 0 && --x->depth < MAX_DEPTH) {
        x->group_start = x->open[x->depth];
        x->group_end = x->len;
    }
}

/* Ends the query at a semicolon: only blanks and comments may follow. */
static void
end_statement(Expansion *x)
{
    x->at++;
    for (const char *end; *x->at; x->at = end) {
        bool is_comment = *x->at == '-' || *x->at == '/';
        end = is_comment ? skip_opaque(x, x->at) : skip_blanks(x->at);
        if (!end || end == x->at) {
            fail_query(x, "found text after a semicolon; wanted one statement");
            return;
        }
    }
}

/* A parameter by number: ? or ?3 in SQLite, $3 in PostgreSQL, whose names may
 * have a $ within. */
static bool
is_parameter(const Expansion *x)
{
    if (x->dialect == SQL_SQLITE)
        return *x->at == '?';
    return *x->at == '$' && isdigit((unsigned char)x->at[1]) &&
           !(x->len && is_word(x->out[x->len - 1]));
}

static void
copy_token(Expansion *x)
{
    const char *opaque = skip_opaque(x, x->at);
    if (opaque)
        copy_to(x, opaque);
    else if (is_word(*x->at))
        copy_word(x);
    else if (*x->at == ':')
        copy_colon(x);
    else if (*x->at == '(' || *x->at == ')')
        copy_parenthesis(x);
    else if (*x->at == ';')
        end_statement(x);
    else if (is_parameter(x))
        fail_query(x,
                   "found a parameter that is not :keys; wanted :keys alone, "
                   "nothing else is given a value");
    else
        copy_to(x, x->at + 1);
}

char *
sql_query_expand(const char *query,
                 SqlDialect dialect,
                 unsigned n_parts,
                 char *ret_why,
                 size_t why_size)
{
    Expansion x = {.at = query,
                   .dialect = dialect,
                   .n_parts = n_parts,
                   .why = ret_why,
                   .why_size = why_size};
    *ret_why = '\0';
    write_text(&x, "");
    while (*x.at && !*x.why)
        copy_token(&x);
    if (!x.has_keys)
        fail_query(
            &x, "found no :keys in the query; wanted :keys where the keys of "
                "a batch go, as in WHERE id IN (:keys)");
    if (!*x.why)
        return x.out;
    free(x.out);
    return NULL;
}
