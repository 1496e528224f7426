/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge skip: marks one record finished while the bridge is stopped.
 *
 * For a record that stops a binding (on.failure = stop) and is not needed.
 * Commits exactly what the bridge would have committed if the record had been
 * finished; all other records stay as they are.
 */
#include "skip.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

#include "cli.h"
#include "configuration.h"
#include "group.h"
#include "topic-limits.h"
#include "log.h"
#include "options-value.h"
#include "session.h"

enum { TIMEOUT_MS = 15000 };

/* Parsed arguments; a number's minimum value means that it was not given. */
typedef struct {
    char *binding, *topic;
    int64_t partition, offset;
    char **sets;
} Words;

static void
words_clear(Words *words)
{
    g_free(words->binding);
    g_free(words->topic);
    g_strfreev(words->sets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Words, words_clear)

/* Reports bad data in the arguments, not a fault of the broker. Returns
 * EX_DATAERR. */
static int
refuse_words(const Words *words, const char *sentence)
{
    fprintf(stderr, "kabridge: %s [%" PRIi64 "] offset %" PRIi64 ": %s\n",
            words->topic, words->partition, words->offset, sentence);
    return EX_DATAERR;
}

static int
check_partition(rd_kafka_t *client, const Words *words)
{
    int32_t n = 0;
    rd_kafka_resp_err_t fault = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, words->topic, NULL);
    KabTopicAnswer answer =
        kab_topic_limits_ask_partitions(client, topic, TIMEOUT_MS, &n, &fault);
    rd_kafka_topic_destroy(topic);
    if (answer != KAB_TOPIC_EXISTS) {
        fprintf(stderr, "kabridge: cannot ask for the partitions of %s: %s\n",
                words->topic,
                fault ? rd_kafka_err2str(fault) : "it has none now");
        return EX_UNAVAILABLE;
    }
    if (words->partition < n)
        return EX_OK;
    fprintf(stderr,
            "kabridge: --partition: found %" PRIi64
            "; wanted one of topic %s, from 0 to %" PRIi32 "\n",
            words->partition, words->topic, n - 1);
    return EX_DATAERR;
}

static int
check_range(rd_kafka_t *client, const Words *words)
{
    int64_t low = -1, high = -1;
    rd_kafka_resp_err_t fault = rd_kafka_query_watermark_offsets(
        client, words->topic, (int32_t)words->partition, &low, &high,
        TIMEOUT_MS);
    if (fault) {
        fprintf(stderr,
                "kabridge: cannot ask for the end of %s [%" PRIi64 "]: %s\n",
                words->topic, words->partition, rd_kafka_err2str(fault));
        return EX_UNAVAILABLE;
    }
    if (words->offset < high)
        return EX_OK;
    g_autofree char *sentence =
        g_strdup_printf("there is no such record; the last one is before "
                        "%" PRIi64,
                        high);
    return refuse_words(words, sentence);
}

static void
log_skip(const KabBindingSettings *binding,
         const Words *words,
         int64_t committed)
{
    g_autofree char *partition = g_strdup_printf("%" PRIi64, words->partition);
    g_autofree char *offset = g_strdup_printf("%" PRIi64, words->offset);
    const KabLogField fields[] = {
        {"TOPIC", words->topic}, {"PARTITION", partition}, {"OFFSET", offset}};
    kab_log_fields(KAB_LOG_WARNING, binding->name, fields, G_N_ELEMENTS(fields),
                   "%s [%s] offset %s is marked finished for group %s by "
                   "hand; committed: %" PRIi64,
                   words->topic, partition, offset, binding->group, committed);
}

static int
skip_with(rd_kafka_t *client,
          const KabBindingSettings *binding,
          const Words *words,
          GError **error)
{
    int64_t committed = -1;
    int32_t partition = (int32_t)words->partition;
    g_autoptr(GArray) intervals =
        g_array_new(FALSE, FALSE, sizeof(KabInterval));
    int status = check_partition(client, words);
    if (status != EX_OK)
        return status;
    if (!kab_group_check_stopped(client, binding->group, error) ||
        !kab_group_load(client, binding->group, words->topic, partition,
                        &committed, intervals, error))
        return EX_UNAVAILABLE;
    if (committed < 0)
        return refuse_words(words, "its group has committed nothing for this "
                                   "partition: run the bridge once");
    status = check_range(client, words);
    if (status != EX_OK)
        return status;
    if (!kab_skip_apply(&committed, intervals, words->offset))
        return refuse_words(words, "it is finished already");
    if (!kab_group_store(client, binding->group, words->topic, partition,
                         committed, intervals, error))
        return EX_UNAVAILABLE;
    log_skip(binding, words, committed);
    return EX_OK;
}

static bool
is_input(const KabBindingSettings *binding, const char *topic)
{
    if (kab_binding_settings_reads(binding, topic))
        return true;
    g_autofree char *inputs = g_strjoinv(", ", binding->input_topics);
    g_autofree char *quoted = kab_quote(topic);
    fprintf(stderr,
            "kabridge: --topic: found %s; wanted an input of binding %s: %s\n",
            quoted, binding->name, inputs);
    return false;
}

static int
skip_record(const char *path, const Words *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KabConfig) config = kab_cli_open(path, words->sets, &error);
    g_autoptr(KabSettings) settings =
        config ? kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, &error)
               : NULL;
    if (!settings)
        return kab_cli_fail(g_steal_pointer(&error));
    const KabBindingSettings *binding =
        kab_cli_choose_binding(settings, words->binding);
    if (!binding || !is_input(binding, words->topic))
        return EX_USAGE;
    kab_log_set_format(settings->log_format);
    rd_kafka_t *client = kab_group_new_client(binding, binding->group, &error);
    int status = client ? skip_with(client, binding, words, &error) : EX_CONFIG;
    if (error)
        status = kab_cli_fail(g_steal_pointer(&error));
    /* The consumer has joined no group, and leaving would hang on a broker that
     * refused it. */
    if (client)
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return status;
}

static bool
are_complete(const Words *words)
{
    const char *missing = NULL;
    if (words->offset == INT64_MIN)
        missing = "--offset";
    if (words->partition == INT64_MIN)
        missing = "--partition";
    if (!words->topic)
        missing = "--topic";
    if (!words->binding)
        missing = "--binding";
    if (missing)
        fprintf(stderr,
                "kabridge: found no %s; wanted the record that is to "
                "be skipped\n",
                missing);
    return !missing;
}

static bool
is_from_0(const char *word, int64_t number)
{
    if (number < 0)
        fprintf(stderr,
                "kabridge: %s: found %" PRIi64 "; wanted a number from 0\n",
                word, number);
    return number >= 0;
}

int
kab_cli_skip(int argc, char **argv)
{
    g_auto(Words) words = {.partition = INT64_MIN, .offset = INT64_MIN};
    const GOptionEntry entries[] = {
        {"binding", 'b', 0, G_OPTION_ARG_STRING, &words.binding,
         "the binding whose group it is", "NAME"},
        {"topic", 't', 0, G_OPTION_ARG_STRING, &words.topic, "the topic", "T"},
        {"partition", 'p', 0, G_OPTION_ARG_INT64, &words.partition,
         "its partition", "P"},
        {"offset", 'o', 0, G_OPTION_ARG_INT64, &words.offset,
         "the record's offset", "O"},
        KAB_CLI_SET_ENTRY(&words.sets),
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "CONFIG",
                       "Marks one record finished, so that it is not called "
                       "again. Every bridge of the group must be stopped.",
                       entries, 1, 1) ||
        !are_complete(&words) || !is_from_0("--partition", words.partition) ||
        !is_from_0("--offset", words.offset))
        return EX_USAGE;
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_INFO);
    return skip_record(argv[1], &words);
}
