/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge dlq: the dead letters of a binding, listed or sent back. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "dlq-filter.h"
#include "dlq-replay.h"
#include "dlq-summary.h"
#include "letter-print.h"
#include "log.h"
#include "options-value.h"
#include "session.h"

/* The command's arguments, and the results of the run. */
typedef struct {
    char *name;
    char **sets;
    int64_t limit; /* INT64_MAX: none */
    gboolean is_dry, is_summary;
    bool is_json;
    char *class_, *since, *format;
    gint64 partition; /* -1: any */
    KabDlqFilter filter;
    KabDlqSummary summary;
    const KabBindingSettings *binding;
    uint64_t n_shown, n_foreign, n_bad;
    sigset_t stops; /* SIGINT and SIGTERM, which a replay takes itself */
    bool is_stopped;
} Task;

static void
task_clear(Task *task)
{
    kab_dlq_summary_clear(&task->summary);
    g_free(task->format);
    g_free(task->class_);
    g_free(task->since);
    g_free(task->name);
    g_strfreev(task->sets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Task, task_clear)

/* --- Letters ----------------------------------------------------------- */

typedef enum {
    LETTER_OWN,     /* of this binding and complete */
    LETTER_FOREIGN, /* of another binding that shares the topic */
    LETTER_BAD,     /* cannot be read or sent back; reported */
} LetterKind;

static void
say_bad(Task *task, const rd_kafka_message_t *letter, const char *problem)
{
    fprintf(stderr, "kabridge: %s [%d] %" PRIi64 ": %s\n",
            task->binding->dead_letter_topic, letter->partition, letter->offset,
            problem);
    task->n_bad++;
}

static LetterKind
judge_letter(Task *task, const rd_kafka_message_t *letter, KabLetterView *view)
{
    g_autofree char *problem = NULL;
    if (!kab_letter_view_init(view, letter, &problem)) {
        say_bad(task, letter, problem);
        return LETTER_BAD;
    }
    if (view->binding && !g_str_equal(view->binding, task->binding->name)) {
        task->n_foreign++;
        return LETTER_FOREIGN;
    }
    return LETTER_OWN;
}

static void
print_letter(Task *task,
             const rd_kafka_message_t *letter,
             const KabLetterView *view,
             const char *state)
{
    g_autofree char *line = task->is_json
                                ? kab_letter_dup_json(letter, view, state)
                                : kab_letter_dup_row(letter, view, state);
    if (!task->n_shown++ && !task->is_json)
        fputs(KAB_LETTER_TABLE_HEAD, stdout);
    fputs(line, stdout);
}

static bool
has_enough(const Task *task)
{
    return task->n_shown >= (uint64_t)task->limit;
}

/* --- List -------------------------------------------------------------- */

static const char *
state_of(const KabDlqScan *scan,
         const rd_kafka_message_t *letter,
         const KabLetterView *view)
{
    if (kab_dlq_scan_is_replayed(scan, letter))
        return "replayed";
    return view->is_truncated ? "truncated" : "new";
}

static void
list_one(Task *task, const KabDlqScan *scan, const rd_kafka_message_t *letter)
{
    g_auto(KabLetterView) view = {0};
    if (judge_letter(task, letter, &view) != LETTER_OWN ||
        !kab_dlq_filter_takes(&task->filter, &view))
        return;
    if (!task->is_summary) {
        print_letter(task, letter, &view, state_of(scan, letter, &view));
        return;
    }
    task->n_shown++;
    kab_dlq_summary_add(&task->summary, &view);
}

static void
print_summary(const Task *task)
{
    g_autofree char *text = task->is_json
                                ? kab_dlq_summary_dup_json(&task->summary)
                                : kab_dlq_summary_dup_text(&task->summary);
    fputs(text, stdout);
}

static bool
list_letters(Task *task, GError **error)
{
    g_autoptr(KabDlqScan) scan =
        kab_dlq_scan_new(task->binding, KAB_DLQ_FROM_BEGINNING, error);
    if (!scan)
        return false;
    g_autoptr(GError) fault = NULL;
    rd_kafka_message_t *letter;
    while (!has_enough(task) && (letter = kab_dlq_scan_next(scan, &fault))) {
        list_one(task, scan, letter);
        rd_kafka_message_destroy(letter);
    }
    if (task->is_summary)
        print_summary(task);
    fprintf(stderr, "%" PRIu64 " letters of binding %s in %s\n", task->n_shown,
            task->binding->name, task->binding->dead_letter_topic);
    if (fault)
        g_propagate_error(error, g_steal_pointer(&fault));
    return !*error;
}

/* --- Stopped ----------------------------------------------------------- */

static const int stop_signals[] = {SIGINT, SIGTERM};

/* Call before any thread starts: they inherit it. */
static void
hold_stops(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    for (size_t i = 0; i < G_N_ELEMENTS(stop_signals); i++)
        sigaddset(ret_set, stop_signals[i]);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
}

/* Takes a signal that has come; the next one ends the process at once. */
static bool
take_stop(Task *task)
{
    if (!task->is_stopped &&
        sigtimedwait(&task->stops, NULL, &(struct timespec){0}) > 0) {
        task->is_stopped = true;
        pthread_sigmask(SIG_UNBLOCK, &task->stops, NULL);
    }
    return task->is_stopped;
}

/* --- Replay ------------------------------------------------------------ */

/* Takes the letter. */
static bool
replay_one(Task *task,
           KabDlqReplay *replay,
           rd_kafka_message_t *letter,
           GError **error)
{
    g_auto(KabLetterView) view = {0};
    bool goes_back = judge_letter(task, letter, &view) == LETTER_OWN;
    if (goes_back && view.is_truncated) {
        say_bad(task, letter,
                "its value was truncated to fit the topic; the whole record "
                "may still be where its headers say");
        goes_back = false;
    }
    if (goes_back)
        print_letter(task, letter, &view,
                     task->is_dry ? "would go back" : "goes back");
    if (!task->is_dry)
        return kab_dlq_replay_add(replay, letter, goes_back ? &view : NULL,
                                  error);
    rd_kafka_message_destroy(letter);
    return true;
}

static bool
replay_all(Task *task, KabDlqScan *scan, KabDlqReplay *replay, GError **error)
{
    while (!has_enough(task) && !take_stop(task)) {
        rd_kafka_message_t *letter = kab_dlq_scan_next(scan, error);
        if (!letter)
            break;
        if (!replay_one(task, replay, letter, error))
            return false;
    }
    return !*error && (task->is_dry || kab_dlq_replay_flush(replay, error));
}

static void
tell_count(const Task *task, const KabDlqReplay *replay)
{
    fprintf(stderr,
            "%" PRIu64 " letters %s; %" PRIu64 " of other bindings and %" PRIu64
            " that cannot go back were skipped\n",
            task->is_dry ? task->n_shown : kab_dlq_replay_count(replay),
            task->is_dry ? "would go back" : "went back", task->n_foreign,
            task->n_bad);
    if (task->is_stopped)
        fputs("kabridge: stopped by a signal; another replay goes on from "
              "here\n",
              stderr);
}

static bool
replay_letters(Task *task, GError **error)
{
    const KabBindingSettings *binding = task->binding;
    hold_stops(&task->stops);
    if (!task->is_dry)
        fprintf(stderr,
                "kabridge: every group that reads the topics below will see "
                "these records again, not only %s; they are appended to the "
                "topics, so their order is not restored\n",
                binding->group);
    g_autoptr(KabDlqScan) scan =
        kab_dlq_scan_new(binding, KAB_DLQ_FROM_COMMITTED, error);
    g_autoptr(KabDlqReplay) replay =
        scan ? kab_dlq_replay_new(binding, scan, error) : NULL;
    if (!replay)
        return false;
    bool is_done = replay_all(task, scan, replay, error);
    tell_count(task, replay);
    return is_done;
}

/* --- Words ------------------------------------------------------------- */

static int
run_verb(Task *task, const char *path, bool (*verb)(Task *task, GError **error))
{
    GError *error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(path, task->sets, &error);
    g_autoptr(KabSettings) settings =
        config ? kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, &error)
               : NULL;
    if (!settings)
        return kab_cli_fail(error);
    task->binding = kab_cli_choose_binding(settings, task->name);
    if (!task->binding)
        return EX_USAGE;
    if (!task->binding->dead_letter_topic) {
        fprintf(stderr, "kabridge: binding %s has no dead.letter.topic\n",
                task->binding->name);
        return EX_USAGE;
    }
    if (!verb(task, &error))
        return kab_cli_fail(error);
    if (task->is_stopped)
        return EX_TEMPFAIL;
    return task->n_bad ? EX_DATAERR : EX_OK;
}

/* A replay goes in order and commits what it passes. If it filtered letters,
 * the skipped ones would be committed as replayed. */
static bool
has_list_words(const Task *task)
{
    return task->class_ || task->since || task->partition >= 0 ||
           task->is_summary;
}

static bool
fill_filter(Task *task)
{
    task->filter = (KabDlqFilter){.class_ = task->class_,
                                  .partition = (int32_t)task->partition};
    kab_dlq_summary_init(&task->summary);
    if (!task->since ||
        kab_dlq_parse_since(task->since, g_get_real_time() / 1000,
                            &task->filter.since_ms))
        return true;
    g_autofree char *quoted = kab_quote(task->since);
    fprintf(stderr,
            "kabridge: --since: found %s; wanted a time ago, like 2h, or a "
            "time, like 2026-01-31T08:00:00Z\n",
            quoted);
    return false;
}

static bool
choose_format(Task *task)
{
    static const char *const formats[] = {"table", "json"};
    if (!task->format)
        return true;
    int choice =
        kab_cli_choose("format", task->format, formats, G_N_ELEMENTS(formats));
    task->is_json = choice == 1;
    return choice >= 0;
}

static bool
are_right(const Task *task, bool (*verb)(Task *task, GError **error))
{
    if (task->limit < 1)
        fprintf(stderr,
                "kabridge: --limit: found %" PRIi64
                "; wanted a number from 1\n",
                task->limit);
    else if (task->is_dry && verb == list_letters)
        fputs("kabridge: --dry-run: found it with list, which changes "
              "nothing; wanted it with replay\n",
              stderr);
    else if (has_list_words(task) && verb != list_letters)
        fputs("kabridge: --class, --since, --partition, --summary: found with "
              "replay, which goes in order; wanted with list\n",
              stderr);
    else
        return true;
    return false;
}

int
kab_cli_dlq(int argc, char **argv)
{
    static const char *const verbs[] = {"list", "replay"};
    static bool (*const functions[])(Task *, GError **) = {list_letters,
                                                           replay_letters};
    g_auto(Task) task = {.limit = INT64_MAX, .partition = -1};
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &task.name,
         "the binding, if there are several", "NAME"},
        {"limit", 'n', 0, G_OPTION_ARG_INT64, &task.limit,
         "at most so many letters", "N"},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &task.is_dry,
         "replay: only say what would go back", NULL},
        {"class", 'c', 0, G_OPTION_ARG_STRING, &task.class_,
         "list: letters of this class only, e.g. permanent", "CLASS"},
        {"since", 's', 0, G_OPTION_ARG_STRING, &task.since,
         "list: of records not older than 2h, or from a time on", "TIME"},
        {"partition", 'p', 0, G_OPTION_ARG_INT64, &task.partition,
         "list: of this partition of the input only", "P"},
        {"summary", 0, 0, G_OPTION_ARG_NONE, &task.is_summary,
         "list: how many of each class, stage and input topic", NULL},
        {"format", 'f', 0, G_OPTION_ARG_STRING, &task.format,
         "table, or json: an object per line (default table)", "FORMAT"},
        KAB_CLI_SET_ENTRY(&task.sets),
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "list|replay CONFIG",
                       "list: prints a binding's dead letters. replay: sends "
                       "those that were not sent back before to the topics "
                       "they came from, up to the end of the dead-letter topic "
                       "at its start.",
                       entries, 2, 2))
        return EX_USAGE;
    int verb = kab_cli_choose("verb", argv[1], verbs, G_N_ELEMENTS(verbs));
    if (verb < 0)
        return EX_USAGE;
    if (!are_right(&task, functions[verb]) || !fill_filter(&task) ||
        !choose_format(&task))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_WARNING);
    return run_verb(&task, argv[2], functions[verb]);
}
