/* SPDX-License-Identifier: Apache-2.0 */
#include "offsets.h"

#include <string.h>

#include "committed.h"

/* librdkafka frees the metadata with free(), which matches g_malloc(). */
static void
add_item(rd_kafka_topic_partition_list_t *list, const KabCommitItem *item)
{
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, item->topic, item->number);
    element->offset = item->offset;
    element->metadata =
        kab_committed_encode(item->offset, item->intervals, item->n_intervals);
    if (element->metadata)
        element->metadata_size = strlen(element->metadata);
}

/* Sorted: the request repeats a topic's name for each run of its partitions. */
rd_kafka_topic_partition_list_t *
kab_offsets_new_list(const KabCommitItem *items, size_t n)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)n);
    for (size_t i = 0; i < n; i++)
        if (items[i].partition)
            add_item(list, &items[i]);
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    return list;
}
