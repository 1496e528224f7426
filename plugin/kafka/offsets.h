/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's commit items as librdkafka takes them: a list of offsets, each
 * with metadata that says what is finished beyond it.
 */
#pragma once

#include <librdkafka/rdkafka.h>

#include "types.h"

/* Returns a new list, sorted. Items whose partition is gone are left out. */
rd_kafka_topic_partition_list_t *
kab_offsets_new_list(const KabCommitItem *items, size_t n);
