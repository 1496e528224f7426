/* SPDX-License-Identifier: Apache-2.0 */
/* Settings from a file: the values of valid ones, and the message for each
 * invalid one, word for word (wrong-settings.h).
 */
#include "kab-test.h"

#include <stdio.h>
#include <unistd.h>

#include "configuration.h"
#include "ticket.h"
#include "wrong-settings.h"

static const char right[] = "[kafka]\n"
                            "bootstrap.servers = localhost:9092\n"
                            "[binding scoring]\n"
                            "input.topics = payments, refunds\n"
                            "output.topic = scored\n"
                            "function = fitting\n"
                            "function.url = http://localhost\n"
                            "function.token = hunter2\n"
                            "function.header.X = y\n"
                            "batch.count = 64\n"
                            "batch.period = never\n"
                            "order = key\n"
                            "rate.limit = 100/s\n"
                            "dead.letter.topic = payments-dlt\n"
                            "consumer.fetch.max.bytes = 1000000\n"
                            "consumer.sasl.password = hunter2\n"
                            "output.headers = drop\n"
                            "[admin]\n"
                            "listen = off\n"
                            "[log]\n"
                            "level = debug\n"
                            "[bridge]\n"
                            "instance = one\n";

/* Each test runs in its own directory, so that the file's name in messages is
 * short and known. */
static int
set_up(void **state)
{
    g_autofree char *modules = g_build_filename(
        g_getenv("top_builddir"), "tests", "support", "modules", ".libs", NULL);
    char *directory = g_dir_make_tmp("kabridge-XXXXXX", NULL);
    g_setenv("KABRIDGE_MODULE_PATH", modules, TRUE);
    g_setenv("EMPTY", "", TRUE);
    g_unsetenv("UNSET");
    *state = directory;
    return chdir(directory);
}

static int
tear_down(void **state)
{
    unlink("f");
    int status = chdir("/") || rmdir(*state);
    g_free(*state);
    return status;
}

static KabConfig *
read_text(const char *text)
{
    assert_true(g_file_set_contents("f", text, -1, NULL));
    KabConfig *config = kab_config_new_from_file("f", NULL);
    assert_non_null(config);
    return config;
}

static KabSettings *
settings_of(const char *text)
{
    g_autoptr(KabConfig) config = read_text(text);
    g_autoptr(GError) error = NULL;
    KabSettings *settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error);
    if (!settings)
        fail_msg("%s", error->message);
    return settings;
}

TEST(values_become_fields)
{
    g_autoptr(KabSettings) settings = settings_of(right);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_non_null(b);
    assert_string_equal(b->input_topics[0], "payments");
    assert_string_equal(b->input_topics[1], "refunds");
    assert_null(b->input_topics[2]);
    assert_string_equal(b->output_topic, "scored");
    assert_int_equal(b->engine.batch_count, 64);
    assert_int_equal(b->engine.batch_period_us, KAB_NEVER);
    assert_int_equal(b->engine.order, KAB_ORDER_KEY);
    assert_int_equal(b->engine.rate_limit_calls, 100);
    assert_int_equal(b->engine.rate_limit_interval_us, 1000000);
    assert_false(b->passes_headers);
    assert_null(settings->admin_listen);
    assert_int_equal(settings->log_level, KAB_LOG_DEBUG);
}

TEST(defaults_are_those_of_the_contract)
{
    g_autoptr(KabSettings) settings = settings_of(right);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    const KabEngineOptions *engine = &b->engine;
    assert_int_equal(engine->max_in_flight, 4);
    assert_int_equal(engine->threads, 4);
    assert_int_equal(engine->batch_bytes, 1 << 20);
    assert_int_equal(engine->buffer_bytes, 64 << 20);
    assert_int_equal(engine->delivery, KAB_DELIVERY_AT_LEAST_ONCE);
    assert_int_equal(engine->commit_interval_us, 10000);
    assert_int_equal(engine->transaction_interval_us, 100000);
    assert_int_equal(engine->call_timeout_us, 30000000);
    assert_int_equal(engine->retry_max_attempts, 5);
    assert_int_equal(engine->retry_backoff_us, 100000);
    assert_int_equal(engine->retry_backoff_max_us, 10000000);
    assert_true(engine->retry_jitter > 0.19 && engine->retry_jitter < 0.21);
    assert_true(engine->bisect);
    assert_int_equal(engine->rebalance_drain_timeout_us, 10000000);
    assert_int_equal(engine->shutdown_timeout_us, 25000000);
    assert_int_equal(engine->stall_timeout_us, 60000000);
    assert_false(engine->start_latest);
    assert_false(b->partition_is_same);
    assert_false(b->timestamp_is_now);
    assert_int_equal(settings->on_stop, KAB_ON_STOP_EXIT);
    assert_int_equal(settings->log_format, KAB_LOG_FORMAT_TEXT);
}

TEST(exactly_once_has_a_larger_budget)
{
    g_autoptr(KabSettings) settings = settings_of(
        "[kafka]\nbootstrap.servers = h:1\n[binding b]\n"
        "input.topics = a\nfunction = identity\ndelivery = exactly-once\n");
    const KabBindingSettings *b = kab_settings_find(settings, "b");
    assert_int_equal(b->engine.buffer_bytes, 256 << 20);
}

static void
assert_requests(const char *options, const char *wanted)
{
    g_autofree char *text =
        g_strconcat("[kafka]\nbootstrap.servers = h:1\n[binding b]\n"
                    "input.topics = a\nfunction = identity\n",
                    options, NULL);
    g_autoptr(KabSettings) settings = settings_of(text);
    const GArray *properties = kab_settings_find(settings, "b")->producer;
    const char *value = kab_properties_lookup(
        KAB_CLIENT_PRODUCER, (const KabProperty *)properties->data,
        properties->len, "max.in.flight.requests.per.connection");
    assert_string_equal(value, wanted);
}

TEST(one_request_at_a_time_keeps_an_order_at_least_once)
{
    assert_requests("", "5");
    assert_requests("order = unordered\n", "5");
    assert_requests("order = key\n", "1");
    assert_requests("order = key\ndelivery = exactly-once\n", "5");
    assert_requests("order = ordered\n"
                    "producer.max.in.flight.requests.per.connection = 3\n",
                    "3");
}

TEST(defaults_that_depend_on_others_are_worked_out)
{
    g_autoptr(KabSettings) settings = settings_of(right);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_string_equal(b->group, "kabridge-scoring");
    assert_string_equal(b->transactional_id, "kabridge-scoring-scoring-one");
    assert_int_equal(b->engine.on_failure, KAB_ON_FAILURE_DLQ);
}

TEST(properties_of_kafka_come_before_those_of_the_binding)
{
    g_autoptr(KabSettings) settings = settings_of(right);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_int_equal(b->producer->len, 2);
    assert_int_equal(b->consumer->len, 3);
    const KabProperty *first = &g_array_index(b->consumer, KabProperty, 0);
    const KabProperty *second = &g_array_index(b->consumer, KabProperty, 1);
    assert_string_equal(first->name, "bootstrap.servers");
    assert_string_equal(second->name, "fetch.max.bytes");
    assert_string_equal(second->value, "1000000");
}

TEST(the_function_and_its_options_are_found)
{
    g_autoptr(KabSettings) settings = settings_of(right);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_string_equal(b->module.function->name, "fitting");
    assert_int_equal(b->function_texts->len, 3);
    assert_string_equal(g_array_index(b->function_texts, KabOptionText, 2).key,
                        "header.X");
}

static void
assert_wrong(const KabWrong *wrong)
{
    g_autoptr(KabConfig) config = read_text(wrong->text);
    g_autoptr(GError) error = NULL;
    KabSettings *settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error);
    if (settings)
        fail_msg("nothing found in:\n%s", wrong->text);
    g_autoptr(GString) message = g_string_new(wrong->message);
    g_string_replace(message, "RDKAFKA", rd_kafka_version_str(), 0);
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG));
    if (strcmp(error->message, message->str) != 0)
        fail_msg("%s, in:\n%s\nfound:\n%s\nwanted:\n%s", wrong->name,
                 wrong->text, error->message, message->str);
}

TEST(every_fault_has_its_sentence)
{
    for (size_t i = 0; i < G_N_ELEMENTS(wrong_settings); i++)
        assert_wrong(&wrong_settings[i]);
}

TEST(what_is_set_wins_and_its_faults_say_so)
{
    g_autoptr(KabConfig) config = read_text(right);
    g_autoptr(GError) error = NULL;
    assert_true(kab_config_set(config, "binding scoring/batch.count=65", NULL));
    assert_true(
        kab_config_set(config, " binding scoring / order = ordered ", NULL));
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, NULL);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_int_equal(b->engine.batch_count, 65);
    assert_int_equal(b->engine.order, KAB_ORDER_ORDERED);
    kab_config_set(config, "binding scoring/batch.count=0", NULL);
    kab_config_set(config, "log/level=loud", NULL);
    assert_null(kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error));
    assert_string_equal(
        error->message,
        "--set: [log] level: found \"loud\"; wanted one of error, warning, "
        "info, debug\n"
        "--set: [binding scoring] batch.count: found \"0\"; wanted a whole "
        "number 1..1000000");
}

TEST(setting_a_binding_that_is_not_there_is_a_fault)
{
    g_autoptr(KabConfig) config = read_text(right);
    g_autoptr(GError) error = NULL;
    kab_config_set(config, "binding scorin/batch.count=5", NULL);
    assert_null(kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error));
    assert_string_equal(error->message,
                        "--set: [binding scorin]: found a binding that the "
                        "file does not have; wanted one of its 1, perhaps "
                        "[binding scoring]");
}

TEST(a_malformed_assignment_is_usage)
{
    static const char *const wrong[] = {"x",   "a=b",   "/k=v", "s/=v",
                                        "s/k", "a=b/c", ""};
    g_autoptr(KabConfig) config = read_text(right);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        assert_false(kab_config_set(config, wrong[i], &error));
        assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_USAGE));
    }
    g_autoptr(GError) error = NULL;
    kab_config_set(config, "password=hunter2", &error);
    assert_string_equal(error->message,
                        "--set: found \"password\"; wanted SECTION/KEY=VALUE, "
                        "like 'binding scoring/batch.count=64'");
}

TEST(reading_again_keeps_what_was_set)
{
    g_autoptr(KabConfig) config = read_text(right);
    kab_config_set(config, "binding scoring/batch.count=65", NULL);
    g_autoptr(KabConfig) fresh = kab_config_reread(config, NULL);
    g_autoptr(KabSettings) settings =
        kab_settings_new(fresh, KAB_FUNCTIONS_FROM_FILE, NULL);
    const KabBindingSettings *b = kab_settings_find(settings, "scoring");
    assert_int_equal(b->engine.batch_count, 65);
    unlink("f");
    g_autoptr(GError) error = NULL;
    assert_null(kab_config_reread(config, &error));
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG));
}

TEST(what_the_bridge_sets_anyway_may_be_set)
{
    g_autoptr(KabConfig) config = read_text(
        "[kafka]\nbootstrap.servers = a:1\n[binding b]\ninput.topics = t\n"
        "output.topic = o\nfunction = fitting\nfunction.url = x\n"
        "delivery = exactly-once\nproducer.enable.idempotence = True\n"
        "consumer.enable.auto.commit = false\n"
        "consumer.group.id = kabridge-b\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error);
    assert_null(error);
    assert_non_null(settings);
}

TEST(a_drain_that_is_not_set_follows_a_small_poll_interval)
{
    g_autoptr(KabConfig) config = read_text(
        "[kafka]\nbootstrap.servers = a:1\n[binding b]\ninput.topics = t\n"
        "output.topic = o\nfunction = fitting\nfunction.url = x\n"
        "consumer.max.poll.interval.ms = 6000\n"
        "consumer.session.timeout.ms = 6000\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, &error);
    assert_null(error);
    const KabBindingSettings *b = kab_settings_find(settings, "b");
    assert_int_equal(b->engine.rebalance_drain_timeout_us, 3000000);
}

TEST(a_program_may_give_the_function)
{
    g_autoptr(KabConfig) config =
        read_text("[kafka]\nbootstrap.servers = a:1\n[binding b]\n"
                  "input.topics = t\nfunction.count = 7\n");
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_PROGRAM, NULL);
    const KabBindingSettings *b = kab_settings_find(settings, "b");
    const KabOption option = {"count", KAB_OPTION_INTEGER, NULL, "1..5", "", 0};
    const KabFunction function = {
        .name = "given", .options = &option, .n_options = 1};
    g_autoptr(GError) error = NULL;
    assert_null(b->module.function);
    assert_false(kab_settings_check_function(config, b, &function, &error));
    assert_string_equal(error->message,
                        "f:5: [binding b] function.count: found \"7\"; wanted "
                        "a whole number 1..5");
}

/* The table of handles is the process's; a binding stops taking records at its
 * share of it. */
TEST(bindings_never_have_more_calls_together_than_there_are_handles)
{
    enum { N_BINDINGS = 40 };
    g_autoptr(GString) text =
        g_string_new("[kafka]\nbootstrap.servers = localhost:9092\n");
    for (int i = 0; i < N_BINDINGS; i++)
        g_string_append_printf(text,
                               "[binding b%d]\ninput.topics = in%d\n"
                               "function = fitting\nfunction.url = x\n",
                               i, i);
    g_autoptr(KabConfig) config = read_text(text->str);
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, NULL);
    size_t n_calls = 0;
    for (unsigned i = 0; i < settings->bindings->len; i++) {
        const KabBindingSettings *binding = settings->bindings->pdata[i];
        n_calls += binding->engine.max_attempts;
    }
    assert_int_equal(settings->bindings->len, N_BINDINGS);
    assert_in_range(n_calls, 1, KAB_MAX_TICKETS);
}

/* Asserts whether a change of one line changes the digest of what cannot be
 * reloaded, and of what can. */
static void
assert_digests(const char *assignment, bool fixed, bool reloadable)
{
    g_autoptr(KabConfig) config = read_text(right);
    g_autoptr(KabSettings) before =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, NULL);
    assert_true(kab_config_set(config, assignment, NULL));
    g_autoptr(KabSettings) after =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, NULL);
    const KabBindingSettings *one = kab_settings_find(before, "scoring");
    const KabBindingSettings *other = kab_settings_find(after, "scoring");
    assert_int_equal(strcmp(one->fixed_digest, other->fixed_digest) != 0,
                     fixed);
    assert_int_equal(strcmp(one->reloadable_digest, other->reloadable_digest) !=
                         0,
                     reloadable);
}

TEST(digests_say_what_a_reload_has_to_do)
{
    assert_digests("binding scoring/batch.count=64", false, false);
    assert_digests("binding scoring/batch.count=65", false, true);
    assert_digests("binding scoring/call.timeout=31s", false, true);
    assert_digests("binding scoring/order=ordered", true, false);
    assert_digests("binding scoring/function.count=4", true, false);
    assert_digests("binding scoring/producer.linger.ms=2", true, false);
    assert_digests("kafka/client.id=x", true, false);
    assert_digests("log/level=info", false, false);
}

TEST(digests_do_not_depend_on_the_order_of_lines)
{
    static const char before[] = "[kafka]\nbootstrap.servers = a:1\n"
                                 "[binding b]\ninput.topics = t\n"
                                 "function = fitting\nfunction.url = x\n";
    static const char one[] = "function.count = 1\nconsumer.client.id = c\n"
                              "consumer.fetch.min.bytes = 2\n";
    static const char other[] = "consumer.fetch.min.bytes = 2\n"
                                "consumer.client.id = c\n"
                                "function.count = 1\n";
    g_autofree char *text = g_strconcat(before, one, NULL);
    g_autofree char *same = g_strconcat(before, other, NULL);
    g_autoptr(KabSettings) settings = settings_of(text);
    g_autoptr(KabSettings) again = settings_of(same);
    assert_string_equal(kab_settings_find(settings, "b")->fixed_digest,
                        kab_settings_find(again, "b")->fixed_digest);
}

TEST(effective_values_are_printed_with_their_origin)
{
    static const char *const lines[] = {
        "f:10                     batch.count = 64\n",
        "f:8                      function.token = (secret)\n",
        "f:16                     consumer.sasl.password = (secret)\n",
        "default                  batch.bytes = 1MiB\n",
        "default                  group = kabridge-scoring\n",
        "default                  on.failure = dlq\n",
        "default                  function.count = 3\n",
        "default                  producer.linger.ms = 5\n",
        "producer.max.in.flight.requests.per.connection = 1\n",
        "--set                    start = latest\n",
        "f:2                      bootstrap.servers = localhost:9092\n",
        "\n[binding scoring]\n",
    };
    g_autoptr(KabConfig) config = read_text(right);
    kab_config_set(config, "binding scoring/start=latest", NULL);
    g_autoptr(KabSettings) settings =
        kab_settings_new(config, KAB_FUNCTIONS_FROM_FILE, NULL);
    g_autofree char *text = kab_settings_dup_text(config, settings);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++)
        if (!strstr(text, lines[i]))
            fail_msg("no line %s in\n%s", lines[i], text);
    assert_null(strstr(text, "hunter2"));
}

TEST(a_file_that_is_not_there_is_a_fault)
{
    g_autoptr(GError) error = NULL;
    assert_null(kab_config_new_from_file("nowhere", &error));
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG));
    assert_true(g_str_has_prefix(error->message, "nowhere: found no file"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_fields),
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(exactly_once_has_a_larger_budget),
        cmocka_unit_test(one_request_at_a_time_keeps_an_order_at_least_once),
        cmocka_unit_test(defaults_that_depend_on_others_are_worked_out),
        cmocka_unit_test(properties_of_kafka_come_before_those_of_the_binding),
        cmocka_unit_test(the_function_and_its_options_are_found),
        cmocka_unit_test(every_fault_has_its_sentence),
        cmocka_unit_test(what_is_set_wins_and_its_faults_say_so),
        cmocka_unit_test(setting_a_binding_that_is_not_there_is_a_fault),
        cmocka_unit_test(a_malformed_assignment_is_usage),
        cmocka_unit_test(reading_again_keeps_what_was_set),
        cmocka_unit_test(what_the_bridge_sets_anyway_may_be_set),
        cmocka_unit_test(a_drain_that_is_not_set_follows_a_small_poll_interval),
        cmocka_unit_test(a_program_may_give_the_function),
        cmocka_unit_test(
            bindings_never_have_more_calls_together_than_there_are_handles),
        cmocka_unit_test(digests_say_what_a_reload_has_to_do),
        cmocka_unit_test(digests_do_not_depend_on_the_order_of_lines),
        cmocka_unit_test(effective_values_are_printed_with_their_origin),
        cmocka_unit_test(a_file_that_is_not_there_is_a_fault),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
