/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite: one read-only connection per link; the query is prepared once.
 *
 * The keys are a JSON array. A number and its text are one key, but SQLite
 * tells them apart where no column's type converts one to the other, in IN even
 * where the column is text: so IN (:keys) gets both (parameter 2), and :keys
 * elsewhere, where a row would be found twice, each key once (parameter 1). The
 * JSON of a row is built from its columns: integers, the shortest text that
 * parses as the same double, JSON columns verbatim, and blobs as PostgreSQL
 * writes them.
 */
#include "sql-link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "sql-number.h"
#include "sql-row.h"
#include "sql-text.h"

/* How often a running statement checks for cancellation, in steps of SQLite's
 * virtual machine, and how long it waits for a lock. */
enum { STEPS_A_LOOK = 2000, BUSY_MS = 5000, BUSY_STEP_MS = 5 };
enum { MAX_ROWS_BYTES = 64 * 1024 * 1024 };
/* Longer text is no number; more numbers in a composite key are asked for as
 * they are: each one doubles the forms. */
enum { MAX_NUMBER_BYTES = 64, MAX_NUMBERS = 3 };

typedef struct {
    SqlLink link;
    sqlite3 *db; /* NULL: closed */
    sqlite3_stmt *statement;
    struct stat file; /* identity of the opened file */
    SqlColumns columns;
    bool has_integer_keys; /* their columns convert text that is a number */
    SqlText text;          /* of the current row, and of the keys */
    SqlJob *job;           /* whose statement is running, for the handlers */
    size_t n_bytes;        /* bytes of rows of that job */
    unsigned n_rows;
} Sqlite;

/* --- Cut short --------------------------------------------------------- */

static bool
is_wanted(const SqlJob *job)
{
    return !atomic_load(&job->is_cancelled) &&
           (!job->deadline_us || sql_now_us() < job->deadline_us);
}

static int
on_progress(void *user)
{
    return !is_wanted(((Sqlite *)user)->job);
}

/* Another process holds the lock: waits a little, but reacts to cancel(). */
static int
on_busy(void *user, int n_times)
{
    SqlJob *job = ((Sqlite *)user)->job;
    if (n_times >= BUSY_MS / BUSY_STEP_MS || !is_wanted(job))
        return 0;
    struct pollfd wake = {.fd = job->wake_fd, .events = POLLIN};
    poll(&wake, 1, BUSY_STEP_MS);
    return 1;
}

/* --- Opened and closed ------------------------------------------------- */

static void
close_file(Sqlite *sqlite)
{
    sqlite3_finalize(sqlite->statement);
    sqlite3_close(sqlite->db);
    sqlite->statement = NULL;
    sqlite->db = NULL;
    sql_columns_clear(&sqlite->columns);
}

/* Records the failure of the last SQLite call; returns false. Messages of a
 * running statement may quote data. */
static bool
fail_sqlite(Sqlite *sqlite, const char *doing, bool is_running)
{
    int code = sqlite3_extended_errcode(sqlite->db);
    SqlFailure *failure = &sqlite->job->failure;
    KabFailure class_ = sql_sqlite_class(code, is_running);
    sql_fail(failure, class_, "SQLite cannot %s: %s (result code %d)", doing,
             is_running ? sqlite3_errstr(code) : sqlite3_errmsg(sqlite->db),
             code);
    failure->is_unreachable = class_ == KAB_FAIL_OVERLOAD;
    return false;
}

/* SQLite takes a parameter that is never bound for NULL: a misspelt :key would
 * find no row for any record. */
static bool
check_parameters(Sqlite *sqlite)
{
    int n = sqlite3_bind_parameter_count(sqlite->statement);
    for (int i = 1; i <= n; i++) {
        const char *name = sqlite3_bind_parameter_name(sqlite->statement, i);
        if (name && *name != '?')
            return sql_fail(&sqlite->job->failure, KAB_FAIL_FATAL,
                            "found a parameter %s; wanted :keys alone, nothing "
                            "else is given a value",
                            name);
    }
    return true;
}

static bool
prepare_query(Sqlite *sqlite)
{
    const char *query = sqlite->link.setup->query;
    if (sqlite3_prepare_v3(sqlite->db, query, -1, SQLITE_PREPARE_PERSISTENT,
                           &sqlite->statement, NULL) != SQLITE_OK)
        return fail_sqlite(sqlite, "prepare the query", false);
    if (!sqlite3_stmt_readonly(sqlite->statement))
        return sql_fail(&sqlite->job->failure, KAB_FAIL_FATAL,
                        "found a query that writes; wanted a SELECT");
    if (!check_parameters(sqlite))
        return false;
    unsigned n = (unsigned)sqlite3_column_count(sqlite->statement);
    sql_columns_init(&sqlite->columns, n);
    sqlite->has_integer_keys = true;
    for (unsigned c = 0; c < n; c++) {
        const char *type = sqlite3_column_decltype(sqlite->statement, (int)c);
        SqlColumn *column = &sqlite->columns.columns[c];
        sql_column_set_name(column,
                            sqlite3_column_name(sqlite->statement, (int)c));
        column->is_json = type && sqlite3_stricmp(type, "JSON") == 0;
        column->is_computed = !type;
        if (c < sqlite->link.setup->n_parts)
            sqlite->has_integer_keys &= type && strcasestr(type, "INT");
    }
    return sql_columns_check(&sqlite->columns, sqlite->link.setup->n_parts,
                             &sqlite->job->failure);
}

static bool
open_file(Sqlite *sqlite)
{
    const char *path = sqlite->link.setup->connection;
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI |
                SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(path, &sqlite->db, flags, NULL) != SQLITE_OK) {
        if (sqlite->db)
            return fail_sqlite(sqlite, "open the file", false);
        abort(); /* out of memory */
    }
    sqlite3_busy_handler(sqlite->db, on_busy, sqlite);
    sqlite3_progress_handler(sqlite->db, STEPS_A_LOOK, on_progress, sqlite);
    return prepare_query(sqlite);
}

/* False: the file does not exist. A database without a file is never
 * missing. */
static bool
look_at_file(Sqlite *sqlite, struct stat *ret_file)
{
    const char *path = sqlite3_db_filename(sqlite->db, "main");
    memset(ret_file, 0, sizeof *ret_file);
    return !path || !*path || stat(path, ret_file) == 0;
}

static bool
is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The file may be replaced between opening it and stat(): reopens until two
 * looks see the same file. */
static bool
reopen_file(Sqlite *sqlite)
{
    for (;;) {
        struct stat after;
        close_file(sqlite);
        if (!open_file(sqlite))
            break;
        if (!look_at_file(sqlite, &sqlite->file) ||
            !look_at_file(sqlite, &after))
            continue;
        if (is_same_file(&sqlite->file, &after))
            return true;
    }
    close_file(sqlite);
    return false;
}

/* Makes sure that the database is open, and is the file that the name refers to
 * now. */
static bool
ensure_open(Sqlite *sqlite)
{
    struct stat now;
    if (sqlite->db && look_at_file(sqlite, &now) &&
        is_same_file(&now, &sqlite->file))
        return true;
    return reopen_file(sqlite);
}

/* --- Keys and rows ----------------------------------------------------- */

/* Is the part a number, be it written as text? */
static bool
is_numeric(const SqlPart *part)
{
    char canonical[SQL_NUMBER_CAPACITY(MAX_NUMBER_BYTES)];
    if (part->is_number || part->len > MAX_NUMBER_BYTES)
        return part->is_number;
    return part->len > 0 &&
           sql_number_write(part->data, part->len, canonical) == part->len &&
           memcmp(part->data, canonical, part->len) == 0;
}

static void
add_part(SqlText *text, const SqlPart *part, bool is_number)
{
    if (is_number)
        sql_text_add(text, part->data, part->len);
    else
        sql_text_add_json(text, part->data, part->len);
}

/* `texts`: a bit for each part that is a number, the first one's lowest: is it
 * written as text? */
static void
write_form(SqlText *text, const SqlKey *key, unsigned n_parts, unsigned texts)
{
    sql_text_add_char(text, text->len ? ',' : '[');
    if (n_parts > 1)
        sql_text_add_char(text, '[');
    for (unsigned p = 0; p < n_parts; p++) {
        bool is_number = is_numeric(&key->parts[p]);
        if (p)
            sql_text_add_char(text, ',');
        add_part(text, &key->parts[p], is_number && !(texts & 1));
        texts >>= is_number;
    }
    if (n_parts > 1)
        sql_text_add_char(text, ']');
}

/* As the record wrote it that came first. */
static void
write_key(SqlText *text, const SqlKey *key, unsigned n_parts)
{
    unsigned texts = 0, n_numbers = 0;
    for (unsigned p = 0; p < n_parts; p++)
        if (is_numeric(&key->parts[p]))
            texts |= (unsigned)!key->parts[p].is_number << n_numbers++;
    write_form(text, key, n_parts, texts);
}

/* Each number as a number and as text. */
static void
write_forms(SqlText *text, const SqlKey *key, unsigned n_parts)
{
    unsigned n_numbers = 0;
    for (unsigned p = 0; p < n_parts; p++)
        n_numbers += is_numeric(&key->parts[p]);
    if (n_numbers > MAX_NUMBERS)
        write_key(text, key, n_parts);
    else
        for (unsigned texts = 0; texts < 1u << n_numbers; texts++)
            write_form(text, key, n_parts, texts);
}

static void
write_keys(SqlText *text,
           const SqlKeys *keys,
           void (*write)(SqlText *, const SqlKey *, unsigned))
{
    text->len = 0;
    for (size_t k = 0; k < keys->n; k++)
        if (!keys->keys[k].entry)
            write(text, &keys->keys[k], keys->n_parts);
    sql_text_add_char(text, ']');
}

static void
bind_keys(Sqlite *sqlite,
          int parameter,
          void (*write)(SqlText *, const SqlKey *, unsigned))
{
    if (!sqlite3_bind_parameter_name(sqlite->statement, parameter))
        return; /* the query has no such parameter */
    write_keys(&sqlite->text, &sqlite->job->keys, write);
    sqlite3_bind_text64(sqlite->statement, parameter, sqlite->text.data,
                        sqlite->text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static bool
read_part(Sqlite *sqlite, unsigned p, SqlPart *ret_part)
{
    sqlite3_stmt *statement = sqlite->statement;
    SqlArena *arena = &sqlite->job->keys.arena;
    int type = sqlite3_column_type(statement, (int)p);
    if (type == SQLITE_NULL || type == SQLITE_BLOB)
        return false;
    char number[SQL_DOUBLE_CAPACITY];
    const char *text;
    size_t len;
    if (type == SQLITE_FLOAT) {
        len =
            sql_double_write(sqlite3_column_double(statement, (int)p), number);
        text = number;
    } else {
        text = (const char *)sqlite3_column_text(statement, (int)p);
        len = (size_t)sqlite3_column_bytes(statement, (int)p);
    }
    /* SQLite overwrites the text at the next row. */
    text = sql_arena_dup(arena, text, len);
    *ret_part = (SqlPart){.data = text, .len = len};
    return type == SQLITE_TEXT ||
           sql_part_set_number(ret_part, arena, text, len);
}

/* Is it JSON made by an SQLite function, and not the user's own text? */
static bool
is_made_json(sqlite3_stmt *statement, unsigned c)
{
    sqlite3_value *value =
        sqlite3_value_dup(sqlite3_column_value(statement, (int)c));
    bool is_json = value && sqlite3_value_subtype(value) == 'J';
    sqlite3_value_free(value);
    return is_json;
}

static bool
write_text(Sqlite *sqlite, unsigned c)
{
    const SqlColumn *column = &sqlite->columns.columns[c];
    sqlite3_stmt *statement = sqlite->statement;
    bool is_json =
        column->is_json || (column->is_computed && is_made_json(statement, c));
    const char *text = (const char *)sqlite3_column_text(statement, (int)c);
    size_t len = (size_t)sqlite3_column_bytes(statement, (int)c);
    if (sql_text_add_value(&sqlite->text, text, len, is_json))
        return true;
    return sql_fail(&sqlite->job->failure, KAB_FAIL_PERMANENT,
                    "found text that is not UTF-8 in column %s; wanted UTF-8",
                    column->name);
}

static bool
write_cell(Sqlite *sqlite, unsigned c)
{
    sqlite3_stmt *statement = sqlite->statement;
    SqlText *text = &sqlite->text;
    char number[SQL_DOUBLE_CAPACITY];
    int type = sqlite3_column_type(statement, (int)c);
    if (type == SQLITE_TEXT)
        return write_text(sqlite, c);
    if (type == SQLITE_NULL)
        sql_text_add(text, "null", 4);
    else if (type == SQLITE_BLOB)
        sql_text_add_hex(text, sqlite3_column_blob(statement, (int)c),
                         (size_t)sqlite3_column_bytes(statement, (int)c));
    else if (type == SQLITE_FLOAT)
        sql_text_add(
            text, number,
            sql_double_write(sqlite3_column_double(statement, (int)c), number));
    else
        sql_text_add(text, (const char *)sqlite3_column_text(statement, (int)c),
                     (size_t)sqlite3_column_bytes(statement, (int)c));
    return true;
}

static bool
write_row(Sqlite *sqlite)
{
    SqlText *text = &sqlite->text;
    text->len = 0;
    for (unsigned c = 0; c < sqlite->columns.n; c++) {
        const SqlColumn *column = &sqlite->columns.columns[c];
        sql_text_add(text, column->prefix, column->prefix_len);
        if (!write_cell(sqlite, c))
            return false;
    }
    sql_text_add_char(text, '}');
    return true;
}

static bool
take_row(Sqlite *sqlite)
{
    SqlKeys *keys = &sqlite->job->keys;
    SqlPart parts[SQL_MAX_PARTS];
    for (unsigned p = 0; p < keys->n_parts; p++)
        if (!read_part(sqlite, p, &parts[p]))
            return sql_fail_stranger(sqlite->job);
    if (!write_row(sqlite))
        return false;
    sqlite->n_bytes += sqlite->text.len;
    if (++sqlite->n_rows > SQL_MAX_ROWS || sqlite->n_bytes > MAX_ROWS_BYTES)
        return sql_fail_rows(sqlite->job);
    const char *json =
        sql_arena_dup(&keys->arena, sqlite->text.data, sqlite->text.len);
    return sql_keys_give(keys, parts, json, sqlite->text.len) ||
           sql_fail_stranger(sqlite->job);
}

static bool
take_rows(Sqlite *sqlite)
{
    for (;;) {
        int code = sqlite3_step(sqlite->statement);
        if (code == SQLITE_DONE)
            return true;
        if (code != SQLITE_ROW)
            return fail_sqlite(sqlite, "run the query", true);
        if (!take_row(sqlite))
            return false;
    }
}

static bool
sqlite_check(SqlLink *link, SqlJob *job)
{
    Sqlite *sqlite = (Sqlite *)link;
    sqlite->job = job;
    return ensure_open(sqlite);
}

static bool
sqlite_ask(SqlLink *link, SqlJob *job)
{
    Sqlite *sqlite = (Sqlite *)link;
    if (!sqlite_check(link, job))
        return false;
    sqlite->n_rows = 0;
    sqlite->n_bytes = 0;
    bind_keys(sqlite, 1, write_key);
    bind_keys(sqlite, 2, sqlite->has_integer_keys ? write_key : write_forms);
    bool is_done = take_rows(sqlite);
    sqlite3_reset(sqlite->statement);
    if (!is_done && job->failure.is_unreachable)
        close_file(sqlite);
    return is_done;
}

static SqlLink *
sqlite_link_new(const SqlSetup *setup)
{
    Sqlite *sqlite = sql_alloc(sizeof *sqlite);
    *sqlite = (Sqlite){.link.setup = setup};
    return &sqlite->link;
}

static void
sqlite_link_free(SqlLink *link)
{
    Sqlite *sqlite = (Sqlite *)link;
    close_file(sqlite);
    sql_text_clear(&sqlite->text);
    free(sqlite);
}

const SqlDriver sql_sqlite = {
    .name = "sqlite",
    .link_new = sqlite_link_new,
    .check = sqlite_check,
    .ask = sqlite_ask,
    .link_free = sqlite_link_free,
};
