/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge demo: the main use case on an embedded broker.
 *
 * A program that embeds a bridge like any other: it writes a configuration,
 * gives the binding a function of its own, and runs it. It succeeds only if
 * every record arrived and the broker has every input as committed.
 */
#include "demo.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin-bridge.h"
#include "bridge.h"
#include "cli.h"
#include "log.h"
#include "mock.h"
#include "session.h"
#include "signals.h"

enum {
    DEFAULT_RECORDS = 6000,
    DEFAULT_RATE = 500,
    MAX_RECORDS = 100000, /* the embedded broker keeps 5 MiB per partition */
};

static const char binding_text[] = "[binding mood]\n"
                                   "input.topics  = " KAB_DEMO_INPUT "\n"
                                   "output.topic  = " KAB_DEMO_OUTPUT "\n"
                                   "group         = " KAB_DEMO_GROUP "\n"
                                   "order         = key\n"
                                   "batch.count   = 64\n";

/* --- Made -------------------------------------------------------------- */

static KabMock *
new_broker(GError **error)
{
    static const char *const topics[] = {KAB_DEMO_INPUT, KAB_DEMO_OUTPUT};
    KabMock *mock = kab_mock_new(1, error);
    for (size_t i = 0; mock && i < G_N_ELEMENTS(topics); i++)
        if (!kab_mock_create_topic(mock, topics[i], KAB_DEMO_PARTITIONS, error))
            g_clear_pointer(&mock, kab_mock_free);
    return mock;
}

static bool
write_whole(int fd, const char *text, const char *path, GError **error)
{
    ssize_t n = write(fd, text, strlen(text));
    int cause = n < 0 ? errno : ENOSPC;
    if (close(fd) == 0 && n == (ssize_t)strlen(text))
        return true;
    g_set_error(error, KAB_ERROR, KAB_ERROR_INTERNAL, "cannot write %s: %s",
                path, g_strerror(cause));
    return false;
}

/* Reads the configuration from a temporary file, which is then deleted: nobody
 * reloads a demo. */
static KabConfig *
new_config(const char *brokers, const KabDemoMood *mood, GError **error)
{
    g_autofree char *text =
        g_strdup_printf("[kafka]\nbootstrap.servers = %s\n\n%s%s\n"
                        "[log]\nlevel = warning\n",
                        brokers, binding_text, kab_demo_mood_options(mood));
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("kabridge-demo-XXXXXX", &path, error);
    if (fd < 0)
        return NULL;
    KabConfig *config = NULL;
    if (write_whole(fd, text, path, error))
        config = kab_config_new_from_file(path, error);
    unlink(path);
    return config;
}

static KabBridge *
new_bridge(const char *brokers, const KabDemoMood *mood, GError **error)
{
    KabConfig *config = new_config(brokers, mood, error);
    g_autoptr(KabBridge) bridge = config ? kab_bridge_new(config, error) : NULL;
    if (!bridge || !kab_demo_mood_give(mood, bridge, error))
        return NULL;
    return g_steal_pointer(&bridge);
}

/* --- Told -------------------------------------------------------------- */

static void
tell_lines(const KabTerminal *out, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line && (**line || line[1]); line++)
        fprintf(out->stream, **line ? "    %s\n" : "%s\n", *line);
}

static void
tell_beginning(const KabTerminal *out,
               const KabDemoMood *mood,
               const char *brokers,
               const char *url,
               unsigned n,
               unsigned rate)
{
    const char *bold = kab_terminal_style(out, KAB_STYLE_BOLD);
    const char *soft = kab_terminal_style(out, KAB_STYLE_SOFT);
    const char *plain = kab_terminal_style(out, KAB_STYLE_PLAIN);
    g_autofree char *speed =
        rate ? g_strdup_printf("%u a second", rate) : g_strdup("at once");
    g_autofree char *function = kab_demo_mood_dup_beginning(mood);
    fprintf(out->stream,
            "%s" KAB_DEMO_INPUT " ──▶ mood (in batches) ──▶ " KAB_DEMO_OUTPUT
            "%s\n\n"
            "An embedded broker listens on %s; it keeps everything in "
            "memory, until the end.\n"
            "%u comments come, %s. %s\n"
            "Live page: %s\n\n%s",
            bold, plain, brokers, n, speed, function, url, soft);
    tell_lines(out, binding_text);
    tell_lines(out, kab_demo_mood_options(mood));
    if (kab_demo_mood_source(mood)) {
        fputs("\n", out->stream);
        tell_lines(out, kab_demo_mood_source(mood));
    }
    fprintf(out->stream, "%s\n", plain);
    fflush(out->stream);
}

static void
tell_batches(const KabTerminal *out, const KabCounters *counters)
{
    static const char *const triggers[] = {
#define X(NAME, text) text,
        KAB_TRIGGERS(X)
#undef X
    };
    const KabHistogram *sizes = &counters->batch_records;
    fprintf(out->stream, "%" PRIu64 " batches", sizes->count);
    const char *before = ": ";
    for (size_t i = 0; i < KAB_N_TRIGGERS; i++) {
        if (!counters->batches[i])
            continue;
        fprintf(out->stream, "%s%" PRIu64 " by %s", before,
                counters->batches[i], triggers[i]);
        before = ", ";
    }
    fprintf(out->stream, "; %.1f records in one on average\n",
            sizes->count ? (double)sizes->sum / (double)sizes->count : 0);
}

static void
tell_times(const KabTerminal *out,
           const KabDemoResult *result,
           const KabCounters *counters)
{
    const KabHistogram *times = &counters->record_us;
    double took = (double)result->took_us / G_USEC_PER_SEC;
    double one_by_one = (double)result->n_arrived *
                        (KAB_DEMO_CALL_US + KAB_DEMO_RECORD_US) /
                        G_USEC_PER_SEC;
    fprintf(out->stream,
            "%.0f records/s from the first record taken on, those included "
            "that came while the bridge joined its group; %.0f ms on average "
            "from taking a record to its acknowledged result\n"
            "%.1f s from the first record taken to the last result; a call "
            "for each record, two at a time, would have taken %.0f s\n",
            took > 0 ? result->n_arrived / took : 0,
            times->count ? (double)times->sum / (double)times->count / 1000 : 0,
            took, one_by_one / 2);
}

static void
tell_end(const KabTerminal *out,
         const KabDemoMood *mood,
         unsigned n,
         const KabDemoResult *result,
         KabBridge *bridge)
{
    g_autoptr(GPtrArray) snapshots = kab_bridge_snapshots(bridge);
    const KabBindingSnapshot *snapshot = snapshots->pdata[0];
    const char *bold = kab_terminal_style(out, KAB_STYLE_BOLD);
    const char *plain = kab_terminal_style(out, KAB_STYLE_PLAIN);
    g_autofree char *repeated =
        result->n_repeated
            ? g_strdup_printf("with %u repeated results", result->n_repeated)
            : g_strdup("each once");
    fprintf(out->stream,
            "\n%s%u of %u records arrived, %s; %" PRIi64 " committed%s\n", bold,
            result->n_arrived, n, repeated, result->n_committed, plain);
    tell_batches(out, &snapshot->counters);
    g_autofree char *said = kab_demo_mood_dup_end(mood);
    if (said)
        fprintf(out->stream, "%s\n", said);
    tell_times(out, result, &snapshot->counters);
    fprintf(out->stream,
            "\nThe embedded broker is gone, and its topics with "
            "it. With a broker of your own: kabridge run CONFIG\n");
    fflush(out->stream);
}

/* --- Run --------------------------------------------------------------- */

static void
on_stop(void)
{
}

/* EX_OK: everything arrived and is committed. */
static int
judge_result(unsigned n, const KabDemoResult *result, unsigned n_stops)
{
    if (result->n_arrived == n && result->n_committed == n)
        return EX_OK;
    fprintf(stderr,
            "kabridge: %s: %u of %u records arrived, %" PRIi64
            " are committed\n",
            n_stops ? "stopped early" : "not all is done", result->n_arrived, n,
            result->n_committed);
    return n_stops ? EX_TEMPFAIL : EX_SOFTWARE;
}

static int
run_demo(const KabMock *mock,
         KabDemoKind kind,
         unsigned n,
         unsigned rate,
         GError **error)
{
    const char *brokers = kab_mock_bootstrap(mock);
    g_autoptr(KabDemoMood) mood = kab_demo_mood_new(kind, error);
    g_autoptr(KabBridge) bridge =
        mood ? new_bridge(brokers, mood, error) : NULL;
    g_autoptr(KabAdmin) admin =
        bridge ? kab_admin_new_for_bridge("127.0.0.1:0", bridge, error) : NULL;
    if (!admin)
        return -1;
    KabTerminal out = kab_terminal_of(stdout);
    tell_beginning(&out, mood, brokers, kab_admin_url(admin), n, rate);
    g_autoptr(KabSignals) signals = kab_signals_new(bridge, on_stop);
    g_autoptr(KabDemoReader) reader =
        kab_demo_reader_new(brokers, n, bridge, error);
    g_autoptr(KabDemoFeed) feed =
        reader ? kab_demo_feed_new(brokers, n, rate, error) : NULL;
    if (!feed || !kab_bridge_run(bridge, error))
        return -1;
    KabDemoResult result;
    kab_demo_reader_end(reader, &result);
    tell_end(&out, mood, n, &result, bridge);
    return judge_result(n, &result, kab_signals_n_stops(signals));
}

static bool
is_in_range(const char *name, int value, int least, int most)
{
    if (value >= least && value <= most)
        return true;
    fprintf(stderr, "kabridge: --%s: found %d; wanted %d..%d\n", name, value,
            least, most);
    return false;
}

static bool
is_single_kind(bool is_python, bool is_http)
{
    if (is_python && is_http)
        fputs("kabridge: found --python and --http; wanted one of them\n",
              stderr);
    return !is_python || !is_http;
}

static KabDemoKind
choose_kind(bool is_python, bool is_http)
{
    if (is_python)
        return KAB_DEMO_PYTHON;
    return is_http ? KAB_DEMO_HTTP : KAB_DEMO_C;
}

int
kab_cli_demo(int argc, char **argv)
{
    int n = DEFAULT_RECORDS, rate = DEFAULT_RATE;
    gboolean is_python = FALSE, is_http = FALSE;
    const GOptionEntry entries[] = {
        {"python", 0, 0, G_OPTION_ARG_NONE, &is_python,
         "the function is a Python file", NULL},
        {"http", 0, 0, G_OPTION_ARG_NONE, &is_http,
         "the function is a model server, asked over HTTP", NULL},
        {"records", 'n', 0, G_OPTION_ARG_INT, &n,
         "how many records (default 6000)", "N"},
        {"rate", 'r', 0, G_OPTION_ARG_INT, &rate,
         "records a second (default 500); 0: as fast as they are taken", "R"},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "",
                       "Shows the main job on an embedded broker: records go "
                       "in, a function gets them in batches, results come "
                       "out, offsets are committed.",
                       entries, 0, 0) ||
        !is_single_kind(is_python, is_http) ||
        !is_in_range("records", n, 1, MAX_RECORDS) ||
        !is_in_range("rate", rate, 0, 1000000))
        return EX_USAGE;
    kab_signals_ignore_pipe();
    kab_log_install(KAB_LOG_FORMAT_TEXT, KAB_LOG_WARNING);
    kab_log_start_writer();
    g_autoptr(GError) error = NULL;
    KabMock *mock = new_broker(&error);
    int status = mock ? run_demo(mock, choose_kind(is_python, is_http),
                                 (unsigned)n, (unsigned)rate, &error)
                      : -1;
    if (error)
        kab_cli_leave(kab_cli_fail(g_steal_pointer(&error)));
    kab_mock_free(mock);
    return status;
}
