/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's API keys (request types), as interceptors and the mock cluster see
 * them: https://kafka.apache.org/protocol#protocol_api_keys
 */
#pragma once

enum {
    KAB_API_PRODUCE = 0,
    KAB_API_METADATA = 3,
    KAB_API_OFFSET_COMMIT = 8,
    KAB_API_OFFSET_FETCH = 9,
    KAB_API_JOIN_GROUP = 11,
    KAB_API_HEARTBEAT = 12,
    KAB_API_LEAVE_GROUP = 13,
    KAB_API_SYNC_GROUP = 14,
    KAB_API_INIT_PRODUCER_ID = 22,
    KAB_API_ADD_PARTITIONS_TO_TXN = 24,
    KAB_API_END_TXN = 26,
    KAB_API_TXN_OFFSET_COMMIT = 28,
    KAB_API_CONSUMER_GROUP_HEARTBEAT = 68,
};
