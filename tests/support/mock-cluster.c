/* SPDX-License-Identifier: Apache-2.0 */
/* mock-cluster TOPIC...: an embedded broker with these topics, for tests that
 * are scripts. Prints its bootstrap.servers. Each line of standard input,
 * "TOPIC<tab>KEY<tab>VALUE", becomes a record; at its end all ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include "mock.h"

enum { N_PARTITIONS = 3, FLUSH_MS = 10000, MAX_LINE = 1 << 16 };

static void
end_with(const char *words)
{
    fprintf(stderr, "mock-cluster: %s\n", words);
    exit(1);
}

static KabMock *
start_cluster(int n_topics, char **topics)
{
    g_autoptr(GError) error = NULL;
    KabMock *mock = kab_mock_new(1, &error);
    for (int i = 0; mock && i < n_topics; i++)
        if (!kab_mock_create_topic(mock, topics[i], N_PARTITIONS, &error))
            break;
    if (error)
        end_with(error->message);
    return mock;
}

static rd_kafka_t *
start_producer(const char *brokers)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", NULL, 0);
    rd_kafka_t *producer =
        rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer)
        end_with(reason);
    return producer;
}

static void
produce_line(rd_kafka_t *producer, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    g_auto(GStrv) words = g_strsplit(line, "\t", 3);
    if (g_strv_length(words) != 3)
        end_with("found a line without two tabs");
    rd_kafka_resp_err_t err = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(words[0]),
        RD_KAFKA_V_KEY(words[1], strlen(words[1])),
        RD_KAFKA_V_VALUE(words[2], strlen(words[2])),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (err)
        end_with(rd_kafka_err2str(err));
    rd_kafka_poll(producer, 0);
}

int
main(int argc, char **argv)
{
    static char line[MAX_LINE];
    KabMock *mock = start_cluster(argc - 1, argv + 1);
    rd_kafka_t *producer = start_producer(kab_mock_bootstrap(mock));
    puts(kab_mock_bootstrap(mock));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        produce_line(producer, line);
    rd_kafka_flush(producer, FLUSH_MS);
    rd_kafka_destroy(producer);
    kab_mock_free(mock);
    return 0;
}
