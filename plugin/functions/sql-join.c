/* SPDX-License-Identifier: Apache-2.0 */
#include "sql-join.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql-cache.h"

/* Of a record that has more, each pointer's value is looked for apart. */
enum { MEMBERS_MOST = 64 };

/* --- Options ----------------------------------------------------------- */

static char *
trim_blanks(char *text)
{
    text += strspn(text, " \t");
    size_t len = strlen(text);
    while (len && strchr(" \t", text[len - 1]))
        text[--len] = '\0';
    return text;
}

static bool
add_pointer(SqlJoin *join, char *pointer, char *ret_why, size_t why_size)
{
    pointer = trim_blanks(pointer);
    if (*pointer != '/' || !kab_json_pointer_is_valid(pointer)) {
        snprintf(ret_why, why_size,
                 "key: found %s; wanted JSON Pointers, as /customer/id",
                 pointer);
        return false;
    }
    if (join->n_pointers == SQL_MAX_PARTS) {
        snprintf(ret_why, why_size,
                 "key: found more than %d pointers; wanted fewer",
                 SQL_MAX_PARTS);
        return false;
    }
    join->key_len[join->n_pointers] = strlen(pointer);
    join->key[join->n_pointers++] = pointer;
    return true;
}

/* Does the pointer name a member of the record itself, without any escape? */
static bool
is_plain(const char *pointer)
{
    size_t len = strlen(pointer + 1);
    return !strpbrk(pointer + 1, "/~") &&
           kab_json_encoded_len(pointer + 1, len) == len + 2;
}

static void
find_shape(SqlJoin *join)
{
    size_t len = strlen(join->into + 1);
    join->is_flat = is_plain(join->into);
    for (unsigned p = 0; p < join->n_pointers; p++)
        join->is_flat &= is_plain(join->key[p]);
    join->member_len = kab_json_encoded_len(join->into + 1, len) + 2;
    join->member = sql_alloc(join->member_len);
    join->member[0] = ',';
    kab_json_encode(join->into + 1, len, join->member + 1);
    join->member[join->member_len - 1] = ':';
}

bool
sql_join_init(SqlJoin *join,
              const char *key,
              const char *into,
              char *ret_why,
              size_t why_size)
{
    *join = (SqlJoin){.into = into, .into_len = strlen(into)};
    if (*into != '/' || !kab_json_pointer_is_valid(into)) {
        snprintf(ret_why, why_size,
                 "function.into: found \"%s\"; wanted a JSON Pointer, as /row",
                 into);
        return false;
    }
    if (!key)
        key = "";
    size_t size = strlen(key) + 1;
    join->pointers = sql_alloc(size);
    memcpy(join->pointers, key, size);
    char *left = join->pointers;
    for (char *pointer; *key && (pointer = strsep(&left, ","));)
        if (!add_pointer(join, pointer, ret_why, why_size))
            return false;
    find_shape(join);
    return true;
}

void
sql_join_clear(SqlJoin *join)
{
    free(join->pointers);
    free(join->member);
    *join = (SqlJoin){0};
}

/* --- Keys -------------------------------------------------------------- */

/* No database accepts a NUL in text. */
static bool
set_text(SqlPart *part, const char *text, size_t len)
{
    *part = (SqlPart){.data = text, .len = len};
    return !memchr(text, '\0', len);
}

static bool
set_string(SqlPart *part, SqlArena *arena, KabSpan string)
{
    const char *text = string.at + 1;
    size_t len = string.len - 2;
    if (memchr(text, '\\', len)) {
        char *decoded = sql_arena_alloc(arena, string.len);
        len = kab_json_decode(string, decoded);
        text = decoded;
    }
    return set_text(part, text, len);
}

/* False: the value is neither text nor a number. */
static bool
read_part(SqlPart *part, SqlArena *arena, KabSpan value)
{
    switch (kab_json_type(value)) {
    case KAB_JSON_STRING:
        return set_string(part, arena, value);
    case KAB_JSON_NUMBER:
        return sql_part_set_number(part, arena, value.at, value.len);
    case KAB_JSON_OBJECT:
    case KAB_JSON_ARRAY:
    case KAB_JSON_TRUE:
    case KAB_JSON_FALSE:
    case KAB_JSON_NULL:
    case KAB_JSON_ABSENT:
        break;
    }
    return false;
}

static bool
read_record_key(SqlPart *part, KabBytes key)
{
    return key.data && kab_utf8_is_valid(key.data, key.len) &&
           set_text(part, key.data, key.len);
}

/* len: of the pointer; its slash and the name are as long as the quotes and
 * the name, but for one. */
static bool
is_named(KabSpan name, const char *pointer, size_t len)
{
    return name.len == len + 1 &&
           memcmp(name.at + 1, pointer + 1, len - 1) == 0;
}

/* Finds the parts' values and where the row goes. False: not known; members
 * were too many, or a name has an escape, so it could be any of the wanted
 * names. */
static bool
choose_members(const SqlJoin *join,
               const KabJsonMembers *members,
               SqlRecord *read,
               KabSpan *ret_values)
{
    KabSpan into = KAB_SPAN_ABSENT;
    const char *tail = read->document.at + 1;
    if (members->n > members->capacity)
        return false;
    for (size_t m = 0; m < members->n; m++) {
        KabSpan name = members->at[m].name, value = members->at[m].value;
        tail = value.at + value.len;
        if (members->has_escape && memchr(name.at, '\\', name.len))
            return false;
        for (unsigned p = 0; p < join->n_pointers; p++)
            if (is_named(name, join->key[p], join->key_len[p]))
                ret_values[p] = value;
        if (is_named(name, join->into, join->into_len))
            into = value;
    }
    read->into = into.at ? into : (KabSpan){tail, 0};
    return true;
}

static void
find_values(const SqlJoin *join,
            const KabJsonMembers *members,
            SqlRecord *read,
            KabSpan *ret_values)
{
    for (unsigned p = 0; p < join->n_pointers; p++)
        ret_values[p] = KAB_SPAN_ABSENT;
    if (join->is_flat && choose_members(join, members, read, ret_values))
        return;
    for (unsigned p = 0; p < join->n_pointers; p++)
        ret_values[p] = kab_json_find(read->document, join->key[p]);
}

static uint32_t
read_key(const SqlJoin *join,
         SqlKeys *keys,
         const KabRecord *record,
         const KabJsonMembers *members,
         SqlRecord *read)
{
    SqlPart parts[SQL_MAX_PARTS];
    KabSpan values[SQL_MAX_PARTS];
    find_values(join, members, read, values);
    if (join->n_pointers == 0 && !read_record_key(&parts[0], record->key))
        return SQL_NO_KEY;
    for (unsigned p = 0; p < join->n_pointers; p++)
        if (!read_part(&parts[p], &keys->arena, values[p]))
            return SQL_NO_KEY;
    return sql_keys_add(keys, parts);
}

static const char *
explain_not_json(const KabBytes *value)
{
    if (value->len && *(const char *)value->data == '\0')
        return "found a value that begins with 0x00, as records of a schema "
               "registry do; wanted a JSON object";
    if (value->len >= 3 && memcmp(value->data, "\xEF\xBB\xBF", 3) == 0)
        return "found a value that begins with a UTF-8 byte order mark; wanted "
               "a JSON object";
    return "found a value that is not JSON; wanted a JSON object";
}

static SqlRecord
read_record(const SqlJoin *join, SqlKeys *keys, const KabRecord *record)
{
    SqlRecord read = {.key = SQL_NO_KEY};
    const KabBytes *value = &record->value;
    KabJsonMember room[MEMBERS_MOST];
    KabJsonMembers members = {.at = room, .capacity = MEMBERS_MOST};
    if (!value->data)
        return read;
    if (!kab_json_check_object(value->data, value->len, KAB_JSON_STRICT,
                               &read.document, NULL, &members))
        read.why = explain_not_json(value);
    else if (kab_json_type(read.document) != KAB_JSON_OBJECT)
        read.why =
            "found JSON that is not an object; wanted an object, which the "
            "row goes into";
    else
        read.key = read_key(join, keys, record, &members, &read);
    return read;
}

static void
reserve_records(SqlJob *job, size_t n)
{
    if (job->capacity >= n)
        return;
    free(job->records);
    job->records = sql_alloc(n * sizeof *job->records);
    job->capacity = n;
}

void
sql_join_read(const SqlJoin *join, SqlJob *job)
{
    size_t n = kab_batch_count(job->batch);
    const KabRecord *records = kab_batch_records(job->batch);
    reserve_records(job, n);
    sql_keys_reset(&job->keys, n);
    for (size_t i = 0; i < n; i++)
        job->records[i] = read_record(join, &job->keys, &records[i]);
}

bool
sql_join_is_late(const SqlJoin *join, const SqlJob *job)
{
    return join->missing == SQL_MISSING_RETRY &&
           kab_batch_attempt(job->batch) > 1;
}

/* --- Outcomes ---------------------------------------------------------- */

static void
pass_record(SqlJob *job, size_t i)
{
    const KabRecord *record = &kab_batch_records(job->batch)[i];
    KabOutput output = KAB_OUTPUT_INIT;
    output.key = record->key;
    output.value = record->value;
    kab_batch_emit(job->batch, i, &output);
}

/* The outcome without a row. A record without a key can never get one. */
static void
answer_missing(const SqlJoin *join, SqlJob *job, size_t i)
{
    bool has_key = job->records[i].key != SQL_NO_KEY;
    switch (join->missing) {
    case SQL_MISSING_PASS:
        break;
    case SQL_MISSING_DROP:
        kab_batch_drop(job->batch, i);
        return;
    case SQL_MISSING_REJECT:
        kab_batch_reject(job->batch, i,
                         has_key ? "there is no row for the record's key"
                                 : "the record has no key: neither text nor "
                                   "a number stands where it should");
        return;
    case SQL_MISSING_RETRY:
        if (!has_key || kab_batch_attempt(job->batch) >= join->missing_attempts)
            break;
        kab_batch_retry_after(job->batch, i, join->missing_delay_ms,
                              "there is no row for the record's key yet");
        return;
    }
    pass_record(job, i);
}

static void *
alloc_output(void *user, size_t size)
{
    return kab_batch_alloc(user, size);
}

static char *
append_bytes(char *to, const void *data, size_t len)
{
    memcpy(to, data, len);
    return to + len;
}

/* Inserts the row at the place that the walk has found. */
static KabSpan
put_flat(const SqlJoin *join, SqlJob *job, size_t i, const SqlRow *row)
{
    const SqlRecord *record = &job->records[i];
    KabSpan document = record->document, into = record->into;
    size_t head = (size_t)(into.at - document.at);
    size_t tail = document.len - head - into.len;
    bool is_first = head == 1;
    const char *member = join->member + is_first;
    size_t member_len = into.len ? 0 : join->member_len - is_first;
    size_t len = head + member_len + row->len + tail;
    char *text = kab_batch_alloc(job->batch, len);
    char *to = append_bytes(text, document.at, head);
    to = append_bytes(to, member, member_len);
    to = append_bytes(to, row->json, row->len);
    append_bytes(to, into.at + into.len, tail);
    return (KabSpan){text, len};
}

static KabSpan
put_row(const SqlJoin *join, SqlJob *job, size_t i, const SqlRow *row)
{
    if (job->records[i].into.at)
        return put_flat(join, job, i, row);
    const KabJsonPut put = {.pointer = join->into,
                            .value = {row->json, row->len}};
    size_t failed;
    return kab_json_put(job->records[i].document, &put, 1, alloc_output,
                        job->batch, &failed);
}

/* False: the record got another outcome. */
static bool
emit_row(const SqlJoin *join, SqlJob *job, size_t i, const SqlRow *row)
{
    KabSpan value = put_row(join, job, i, row);
    if (!value.at) {
        kab_batch_reject(job->batch, i,
                         "the record has no place for the row: what "
                         "function.into leads through is no object");
        return false;
    }
    KabOutput output = KAB_OUTPUT_INIT;
    output.key = kab_batch_records(job->batch)[i].key;
    output.value = (KabBytes){value.at, value.len};
    kab_batch_emit(job->batch, i, &output);
    return true;
}

static void
answer_key(const SqlJoin *join, SqlJob *job, size_t i, bool has_failed)
{
    const SqlKey *key = &job->keys.keys[job->records[i].key];
    if (!key->entry && has_failed)
        return;
    const SqlRow *row = key->entry ? sql_entry_rows(key->entry) : key->first;
    if (!row)
        answer_missing(join, job, i);
    while (row && emit_row(join, job, i, row))
        row = row->next;
}

void
sql_join_answer(const SqlJoin *join, SqlJob *job, bool has_failed)
{
    size_t n = kab_batch_count(job->batch);
    for (size_t i = 0; i < n; i++) {
        const SqlRecord *record = &job->records[i];
        if (record->why)
            kab_batch_reject_input(job->batch, i, record->why);
        else if (!record->document.at)
            pass_record(job, i);
        else if (record->key == SQL_NO_KEY)
            answer_missing(join, job, i);
        else
            answer_key(join, job, i, has_failed);
    }
}
