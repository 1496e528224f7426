/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's function: finds the mood of a batch of comments.
 *
 * A stand-in for a model: a call takes a fixed time plus a little per record,
 * then looks words up.
 */
#include "demo.h"

#include <string.h>

#include <jansson.h>

static const struct {
    const char *word;
    int weight;
} words[] = {
    {"lovely", 2}, {"great", 2}, {"friendly", 2}, {"fine", 1},
    {"slow", -1},  {"cold", -1}, {"rude", -2},    {"broken", -2},
};

int
kab_demo_mood_of(const char *text)
{
    int mood = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (strstr(text, words[i].word))
            mood += words[i].weight;
    return mood;
}

const char *
kab_demo_mood_name(int mood)
{
    if (mood > 0)
        return "happy";
    return mood < 0 ? "unhappy" : "mixed";
}

/* The comment with its mood added; NULL: the comment cannot be parsed. */
static char *
dup_scored(KabBytes value)
{
    json_t *comment = json_loadb(value.data, value.len, 0, NULL);
    const char *text = json_string_value(json_object_get(comment, "text"));
    char *scored = NULL;
    if (text) {
        int mood = kab_demo_mood_of(text);
        json_object_set_new(comment, "mood",
                            json_string(kab_demo_mood_name(mood)));
        json_object_set_new(comment, "score", json_integer(mood));
        scored = json_dumps(comment, JSON_COMPACT | JSON_PRESERVE_ORDER);
    }
    json_decref(comment);
    return scored;
}

static void
mood_process(void *instance, KabBatch *batch)
{
    size_t n = kab_batch_count(batch);
    const KabRecord *records = kab_batch_records(batch);
    g_usleep(KAB_DEMO_CALL_US + n * KAB_DEMO_RECORD_US);
    for (size_t i = 0; i < n; i++) {
        char *scored = dup_scored(records[i].value);
        if (scored)
            kab_batch_emit_value(batch, i, scored, strlen(scored));
        else
            kab_batch_reject_input(batch, i, "not a comment");
        free(scored);
    }
    kab_batch_complete(batch);
}

const KabFunction kab_demo_function = {
    KAB_FUNCTION_HEAD,
    .name = "mood",
    .summary = "finds the mood of comments",
    .process = mood_process,
};
