/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the rig's files. */
#pragma once

#include "producer-rig.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)

/* Connects the rig's engine to the real producer and to the fakes. */
void rig_connect(Rig *rig);

/* The fake source, as the producer sees it. user: the Rig. */
rd_kafka_consumer_group_metadata_t *rig_dup_group(void *user);
size_t rig_get_headers(void *message, KabHeader *ret, size_t capacity);
