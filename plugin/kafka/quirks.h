/* SPDX-License-Identifier: Apache-2.0 */
/* Workarounds for librdkafka, one row per defect, selected by the version at
 * run time. Code that works around a defect asks kab_quirk_applies() or names
 * the row in its comment; once no supported version needs a row, delete it
 * together with what its last column names.
 *
 * Thread: any, for everything here.
 */
#pragma once

#include <stdbool.h>

/* X(NAME, since, fixed, what goes wrong, what to delete when it is gone).
 * Versions as in rd_kafka_version(). since 0: already in the oldest supported
 * version. fixed KAB_QUIRK_OPEN: still in the newest one we looked at
 * (2.16). */
#define KAB_QUIRK_OPEN 0x7fffffff
/* Behind the newest version we looked at: for a workaround that stands on how
 * the client is made inside. */
#define KAB_QUIRK_SEEN 0x02110000
#define KAB_QUIRKS(X)                                                          \
    X(COMMIT_BEHIND_JOIN, 0, 0x020a0000,                                       \
      "an OffsetCommit that is sent behind JoinGroup is refused, and the "     \
      "client loses its whole assignment with it",                             \
      "kab_health_held_until() and who calls it")                              \
    X(FENCED_BY_ITSELF, 0, KAB_QUIRK_OPEN,                                     \
      "a commit that waits for its coordinator is sent without member id "     \
      "once "                                                                  \
      "the session is over: of a static member it is refused as fenced, "      \
      "which the client takes for fatal",                                      \
      "is_fenced_by_itself() in source-take.c, KAB_STOP_EXPIRED, renew() in "  \
      "binding-turn.c")                                                        \
    X(GROUP_BEYOND_ASCII, 0, KAB_QUIRK_OPEN,                                   \
      "rd_kafka_consumer_group_metadata_read() refuses a group whose name is " \
      "not all ASCII",                                                         \
      "parse_group() in source-group.c: write and read would do")              \
    X(SCRAM_NONCE, 0, 0x02060100,                                              \
      "brokers of Kafka 4 refuse every SCRAM log-in, as one with a wrong "     \
      "password",                                                              \
      "kab_properties_dup_warning()")                                          \
    X(SILENT_CLOSE, 0, KAB_QUIRK_OPEN,                                         \
      "a cooperative member without partitions is closed without LeaveGroup, " \
      "and the group waits for it until its session is over",                  \
      "owns_nothing() in source-leave.c")                                      \
    X(DESTROY_UNASSIGNED, 0, 0x02030000,                                       \
      "destroying a client that joined and was never assigned anything "       \
      "aborts "                                                                \
      "the process",                                                           \
      "kab_source_must_be_leaked(), kab_source_leak(), was_assigned")          \
    X(DESTROY_DELETED, 0, 0x02060100,                                          \
      "destroying a client of which an assigned topic was deleted never ends", \
      "the thread in kab_source_destroy_client()")                             \
    X(SLEEPING_FETCHER, 0, 0x02020000,                                         \
      "a partition whose queue was full is not fetched for a second",          \
      "wake_fetchers() in source-take.c")                                      \
    X(INTERCEPTORS_FREED_TWICE, 0, 0x020d0000,                                 \
      "rd_kafka_new() that fails late frees the interceptors of a "            \
      "configuration that it gives back",                                      \
      "is_possible() in source.c, and the leak beside it")                     \
    X(ADMIN_TIMEOUT, 0, KAB_QUIRK_OPEN,                                        \
      "an admin request that has timed out aborts the process when it finds "  \
      "its coordinator",                                                       \
      "REQUEST_TIMEOUT_MS and kab_source_serve_loads() in source-load.c")      \
    X(FIRST_BATCH, 0, KAB_QUIRK_OPEN,                                          \
      "with several requests in flight, a partition whose leader has just "    \
      "come refuses the first and takes the second; the first, sent again, "   \
      "counts as a duplicate: lost, and reported as written",                  \
      "has_offset in producer-report.c, add_order() in settings-binding.c")    \
    X(LOST_REPORT, 0, KAB_QUIRK_OPEN,                                          \
      "a message of a transaction whose topic is deleted is never reported",   \
      "SILENCE_US and reports_us() in producer.c")                             \
    X(STUCK_BROKER, 0x020a0000, KAB_QUIRK_OPEN,                                \
      "after a restart of its brokers a client may not reach them again: a "   \
      "broker that has just started may name topics and no brokers, and the "  \
      "client then forgets all it knows (librdkafka 5301); a request for a "   \
      "coordinator that was forgotten waits for its state to change "          \
      "(librdkafka 5511). metadata.recovery.strategy=none avoids the second "  \
      "and meets the first more often",                                        \
      "kab_health_revive(), report_us and brokers_answer in producer.h, "      \
      "is_overdue() in source-load.c")                                         \
    X(HEADERS_PARSED, 0, KAB_QUIRK_SEEN,                                       \
      "asked for the headers of a message that has none, the client "          \
      "allocates and parses; in these versions the message stands in the "     \
      "fetch response, whose next byte tells",                                 \
      "record-layout.h")                                                       \
    X(COMMIT_WITHOUT_OFFSETS, 0, KAB_QUIRK_OPEN,                               \
      "after send_offsets has timed out the transaction may be committed "     \
      "without its offsets",                                                   \
      "nothing: transaction.c aborts, which is right in any case")

typedef enum {
#define X(NAME, since, fixed, why, parts) KAB_QUIRK_##NAME,
    KAB_QUIRKS(X)
#undef X
} KabQuirk;

/* Does this librdkafka have the defect? */
bool kab_quirk_applies(KabQuirk quirk);
bool kab_quirk_applies_to(KabQuirk quirk, int version);
