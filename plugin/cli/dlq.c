/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge dlq: the dead letters of a binding, listed or sent back. */
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "dlq-replay.h"
#include "letter-view.h"
#include "log.h"
#include "session.h"

/* What the words ask for, and what became of it. */
typedef struct {
    char *name;
    char **sets;
    int64_t limit; /* INT64_MAX: none */
    gboolean is_dry;
    const KabBindingSettings *binding;
    uint64_t n_shown, n_foreign, n_bad;
} Task;

static void
task_clear(Task *task)
{
    g_free(task->name);
    g_strfreev(task->sets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Task, task_clear)

/* --- Letters ----------------------------------------------------------- */

typedef enum {
    LETTER_OWN,     /* of this binding, with all that is needed */
    LETTER_FOREIGN, /* of another binding that shares the topic */
    LETTER_BAD,     /* cannot be read or sent back; it is said */
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
judge(Task *task, const rd_kafka_message_t *letter, KabLetterView *view)
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
print_head(void)
{
    puts("letter\tstate\tinput\tclass\tstage\tattempts\tmessage");
}

static void
print_letter(Task *task,
             const rd_kafka_message_t *letter,
             const KabLetterView *view,
             const char *state)
{
    g_autofree char *message = g_strdup(view->message ? view->message : "");
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (!task->n_shown++)
        print_head();
    printf("%d:%" PRIi64 "\t%s\t%s [%d] %" PRIi64 "\t%s\t%s\t%" PRIi64 "\t%s\n",
           letter->partition, letter->offset, state, view->topic,
           view->partition, view->offset, view->class_ ? view->class_ : "-",
           view->stage ? view->stage : "-", view->attempts, message);
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

static bool
list(Task *task, GError **error)
{
    g_autoptr(KabDlqScan) scan =
        kab_dlq_scan_new(task->binding, KAB_DLQ_FROM_BEGINNING, error);
    if (!scan)
        return false;
    g_autoptr(GError) fault = NULL;
    rd_kafka_message_t *letter;
    while (!has_enough(task) && (letter = kab_dlq_scan_next(scan, &fault))) {
        g_auto(KabLetterView) view = {0};
        if (judge(task, letter, &view) == LETTER_OWN)
            print_letter(task, letter, &view, state_of(scan, letter, &view));
        rd_kafka_message_destroy(letter);
    }
    fprintf(stderr, "%" PRIu64 " letters of binding %s in %s\n", task->n_shown,
            task->binding->name, task->binding->dead_letter_topic);
    if (fault)
        g_propagate_error(error, g_steal_pointer(&fault));
    return !*error;
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
    bool goes_back = judge(task, letter, &view) == LETTER_OWN;
    if (goes_back && view.is_truncated) {
        say_bad(task, letter,
                "its value was cut off to be written at all; the record itself "
                "is where its headers say, if anywhere");
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
    while (!has_enough(task)) {
        rd_kafka_message_t *letter = kab_dlq_scan_next(scan, error);
        if (!letter)
            break;
        if (!replay_one(task, replay, letter, error))
            return false;
    }
    return !*error && (task->is_dry || kab_dlq_replay_flush(replay, error));
}

static bool
replay_letters(Task *task, GError **error)
{
    const KabBindingSettings *binding = task->binding;
    if (!task->is_dry)
        fprintf(stderr,
                "kabridge: every group that reads the topics below will see "
                "these records again, not only %s; they come behind what is "
                "there, so the order is not restored\n",
                binding->group);
    g_autoptr(KabDlqScan) scan =
        kab_dlq_scan_new(binding, KAB_DLQ_FROM_COMMITTED, error);
    g_autoptr(KabDlqReplay) replay =
        scan ? kab_dlq_replay_new(binding, scan, error) : NULL;
    if (!replay)
        return false;
    bool is_done = replay_all(task, scan, replay, error);
    fprintf(stderr,
            "%" PRIu64 " letters %s; %" PRIu64 " of other bindings and %" PRIu64
            " that cannot go back were passed\n",
            task->is_dry ? task->n_shown : kab_dlq_replay_count(replay),
            task->is_dry ? "would go back" : "went back", task->n_foreign,
            task->n_bad);
    return is_done;
}

/* --- Words ------------------------------------------------------------- */

static int
work(Task *task, const char *path, bool (*verb)(Task *task, GError **error))
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
    return task->n_bad ? EX_DATAERR : EX_OK;
}

static bool
are_right(const Task *task, bool (*verb)(Task *task, GError **error))
{
    if (task->limit < 1)
        fprintf(stderr,
                "kabridge: --limit: found %" PRIi64
                "; wanted a number from 1\n",
                task->limit);
    else if (task->is_dry && verb == list)
        fputs("kabridge: --dry-run: found it with list, which changes "
              "nothing; wanted it with replay\n",
              stderr);
    else
        return true;
    return false;
}

int
kab_cli_dlq(int argc, char **argv)
{
    static const char *const verbs[] = {"list", "replay"};
    static bool (*const functions[])(Task *, GError **) = {list,
                                                           replay_letters};
    g_auto(Task) task = {.limit = INT64_MAX};
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &task.name,
         "the binding, if there are several", "NAME"},
        {"limit", 'n', 0, G_OPTION_ARG_INT64, &task.limit,
         "at most so many letters", "N"},
        {"dry-run", 0, 0, G_OPTION_ARG_NONE, &task.is_dry,
         "replay: only say what would go back", NULL},
        KAB_CLI_SET_ENTRY(&task.sets),
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "list|replay CONFIG",
                       "list: prints a binding's dead letters. replay: sends "
                       "them back to the topics they came from, those that "
                       "were not before, up to the end seen at its start.",
                       entries, 2, 2))
        return EX_USAGE;
    int verb = kab_cli_choose("verb", argv[1], verbs, G_N_ELEMENTS(verbs));
    if (verb < 0)
        return EX_USAGE;
    if (!are_right(&task, functions[verb]))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_WARNING);
    return work(&task, argv[2], functions[verb]);
}
