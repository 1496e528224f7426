/* SPDX-License-Identifier: Apache-2.0 */
/* Client properties: layers, owned ones, and the messages for wrong ones. */
#include "kab-test.h"

#include "kabridge/error.h"
#include "properties.h"

/* A property's value in a configuration. Returns a new string. */
static char *
get(rd_kafka_conf_t *conf, const char *name)
{
    char value[256];
    size_t size = sizeof value;
    if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK)
        return NULL;
    return g_strdup(value);
}

static void
assert_has(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    g_autofree char *found = get(conf, name);
    assert_non_null(found);
    assert_string_equal(found, value);
}

static rd_kafka_conf_t *
make(KabClientKind kind, const KabProperty *user, size_t n)
{
    g_autoptr(GError) error = NULL;
    rd_kafka_conf_t *conf = kab_properties_new_conf(kind, user, n, &error);
    assert_null(error);
    assert_non_null(conf);
    return conf;
}

TEST(every_default_of_ours_is_applied)
{
    size_t n;
    const KabClientDefault *rows = kab_client_defaults(&n);
    KabClientKind kinds[] = {KAB_CLIENT_CONSUMER, KAB_CLIENT_PRODUCER};
    for (size_t k = 0; k < 2; k++) {
        rd_kafka_conf_t *conf = make(kinds[k], NULL, 0);
        for (size_t i = 0; i < n; i++) {
            g_autofree char *found = get(conf, rows[i].name);
            if (rows[i].value && (rows[i].clients & kinds[k]) && found)
                assert_string_equal(found, rows[i].value);
            assert_non_null(rows[i].why);
        }
        rd_kafka_conf_destroy(conf);
    }
}

TEST(a_later_layer_wins_but_not_over_what_is_owned)
{
    KabProperty user[] = {
        {"fetch.wait.max.ms", "7"},
        {"isolation.level", "read_uncommitted"},
        {"fetch.wait.max.ms", "9"},
        {"enable.auto.commit", "true"},
    };
    rd_kafka_conf_t *conf = make(KAB_CLIENT_CONSUMER, user, 4);
    assert_has(conf, "fetch.wait.max.ms", "9");
    assert_has(conf, "isolation.level", "read_uncommitted");
    assert_has(conf, "enable.auto.commit", "false");
    assert_has(conf, "auto.offset.reset", "error");
    rd_kafka_conf_destroy(conf);
}

TEST(what_is_of_the_other_client_is_left_out)
{
    KabProperty user[] = {{"linger.ms", "77"}, {"session.timeout.ms", "7777"}};
    rd_kafka_conf_t *consumer = make(KAB_CLIENT_CONSUMER, user, 2);
    g_autofree char *linger = get(consumer, "linger.ms");
    assert_string_not_equal(linger, "77");
    assert_has(consumer, "session.timeout.ms", "7777");
    rd_kafka_conf_destroy(consumer);
    rd_kafka_conf_t *producer = make(KAB_CLIENT_PRODUCER, user, 2);
    assert_has(producer, "linger.ms", "77");
    g_autofree char *session = get(producer, "session.timeout.ms");
    assert_string_not_equal(session, "7777");
    rd_kafka_conf_destroy(producer);
}

/* Create a client, because librdkafka checks some pairs of properties only
 * then. */
TEST(ours_yields_where_the_users_needs_it)
{
    KabProperty user[] = {{"message.max.bytes", "20000000"},
                          {"reconnect.backoff.ms", "5000"}};
    rd_kafka_conf_t *conf = make(KAB_CLIENT_CONSUMER, user, 2);
    rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
    rd_kafka_conf_set_log_cb(conf, NULL);
    char reason[256] = "";
    rd_kafka_t *client =
        rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    assert_string_equal(reason, "");
    assert_non_null(client);
    rd_kafka_destroy(client);
}

TEST(a_wrong_value_names_its_property)
{
    KabProperty user[] = {{"session.timeout.ms", "soon"}};
    g_autoptr(GError) error = NULL;
    assert_null(kab_properties_new_conf(KAB_CLIENT_CONSUMER, user, 1, &error));
    assert_true(g_error_matches(error, KAB_ERROR, KAB_ERROR_CONFIG));
    assert_string_equal(error->message, "session.timeout.ms: found \"soon\"; "
                                        "wanted 1 .. 3600000");
}

TEST(the_lookup_says_what_is_in_force)
{
    KabProperty user[] = {
        {"client.id", "mine"}, {"acks", "1"}, {"client.id", "yours"}};
    assert_string_equal(
        kab_properties_lookup(KAB_CLIENT_PRODUCER, user, 3, "client.id"),
        "yours");
    assert_string_equal(
        kab_properties_lookup(KAB_CLIENT_PRODUCER, user, 3, "acks"), "1");
    assert_string_equal(
        kab_properties_lookup(KAB_CLIENT_PRODUCER, user, 3, "linger.ms"), "5");
    assert_null(
        kab_properties_lookup(KAB_CLIENT_CONSUMER, user, 3, "linger.ms"));
    assert_string_equal(kab_properties_lookup(KAB_CLIENT_PRODUCER, user, 3,
                                              "enable.idempotence"),
                        "true");
}

TEST(what_the_bridge_owns_is_refused_with_the_reason)
{
    static const char *const owned[] = {
        "enable.auto.commit",     "enable.auto.offset.store",
        "enable.partition.eof",   "group.id",
        "transactional.id",       "delivery.report.only.error",
        "auto.offset.reset",      "enable.idempotence",
        "statistics.interval.ms", "log.queue",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(owned); i++)
        assert_non_null(kab_property_refusal(owned[i]));
    assert_null(kab_property_refusal("bootstrap.servers"));
    assert_null(kab_property_refusal("isolation.level"));
}

static void
assert_says(const char *name, const char *value, const char *message)
{
    g_autofree char *found = NULL;
    assert_false(kab_property_check(name, value, &found));
    if (!strstr(found, message))
        fail_msg("said \"%s\", not \"%s\"", found, message);
}

TEST(an_unknown_property_gets_the_nearest_known_one)
{
    assert_says("fetch.min.byte", "1", "perhaps fetch.min.bytes");
    assert_says("boostrap.servers", "a", "perhaps bootstrap.servers");
    assert_says("nothing.like.anything", "1", "wanted one of its properties");
    g_autofree char *message = NULL;
    assert_true(kab_property_check("fetch.min.bytes", "1", &message));
    assert_true(kab_property_check("compression.type", "lz4", &message));
    assert_null(message);
}

TEST(a_wrong_value_is_told_the_range_and_a_secret_is_not_shown)
{
    assert_says("session.timeout.ms", "0", "found \"0\"; wanted 1 .. 3600000");
    assert_says("isolation.level", "dirty",
                "wanted read_uncommitted, read_committed");
    assert_true(kab_property_is_secret("sasl.password"));
    assert_true(kab_property_is_secret("ssl.key.pem"));
    assert_true(kab_property_is_secret("sasl.oauthbearer.config"));
    assert_false(kab_property_is_secret("bootstrap.servers"));
    g_autofree char *message = NULL;
    kab_property_check("ssl_key", "hush", &message);
    assert_null(message ? strstr(message, "hush") : NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_of_ours_is_applied),
        cmocka_unit_test(a_later_layer_wins_but_not_over_what_is_owned),
        cmocka_unit_test(what_is_of_the_other_client_is_left_out),
        cmocka_unit_test(ours_yields_where_the_users_needs_it),
        cmocka_unit_test(a_wrong_value_names_its_property),
        cmocka_unit_test(the_lookup_says_what_is_in_force),
        cmocka_unit_test(what_the_bridge_owns_is_refused_with_the_reason),
        cmocka_unit_test(an_unknown_property_gets_the_nearest_known_one),
        cmocka_unit_test(
            a_wrong_value_is_told_the_range_and_a_secret_is_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
