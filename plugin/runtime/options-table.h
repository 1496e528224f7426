/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of options.h, in the order of the reference. Included by
 * options.c. */
#pragma once

#include "configuration.h"
#include "options.h"

#define FIELD(type, field)                                                     \
    .offset = offsetof(type, field), .size = sizeof(((type *)0)->field)
#define BINDING(field)                                                         \
    .section = KAB_SECTION_BINDING, FIELD(KabBindingSettings, field)
#define RULE(NAME, ...) .rule = {.type = KAB_VALUE_##NAME, __VA_ARGS__}

static const int log_levels[] = {KAB_LOG_ERROR, KAB_LOG_WARNING, KAB_LOG_INFO,
                                 KAB_LOG_DEBUG};

static const KabOptionRow option_table[] = {
    {.name = "*",
     .section = KAB_SECTION_KAFKA,
     RULE(STRING),
     .default_words = "librdkafka's, or the bridge's below",
     .help = "Any librdkafka property, its name untouched, for consumers and "
             "producers. bootstrap.servers is required."},

    {.name = "input.topics",
     BINDING(input_topics),
     RULE(LIST),
     .flags = KAB_ROW_REQUIRED,
     .help = "Topics to read. An entry that begins with ^ is a regular "
             "expression over topic names. One that is deleted and created "
             "again is read from its beginning, if the bridge hears of the "
             "deletion: stop the bridge before, or create it when /ready has "
             "named it and, under exactly-once, what was being done is "
             "over."},
    {.name = "output.topic",
     BINDING(output_topic),
     RULE(STRING),
     .help = "Where outputs go that name no topic. Without it a function may "
             "only name topics of output.topics, or give none."},
    {.name = "output.topics",
     BINDING(output_topics),
     RULE(LIST),
     .help = "Further topics that the function may name."},
    {.name = "output.partition",
     BINDING(partition_is_same),
     RULE(CHOICE, .range = "key|same"),
     .default_value = "key",
     .help = "The partition of an output: by the partitioner over its key, or "
             "the number of its input's partition."},
    {.name = "output.timestamp",
     BINDING(timestamp_is_now),
     RULE(CHOICE, .range = "input|now"),
     .default_value = "input",
     .help = "The timestamp of an output: its input's, or the time when it is "
             "produced."},
    {.name = "output.headers",
     BINDING(passes_headers),
     RULE(CHOICE, .range = "drop|pass"),
     .default_value = "pass",
     .help = "Whether the headers of an input go before those of its "
             "outputs."},
    {.name = "group",
     BINDING(group),
     RULE(STRING),
     .default_words = "kabridge-NAME",
     .help = "The consumer group. Processes of the same group share the "
             "partitions."},
    {.name = "start",
     BINDING(engine.start_latest),
     RULE(CHOICE, .range = "earliest|latest"),
     .default_value = "earliest",
     .help = "Where a partition without a committed offset begins. The offset "
             "found is committed before the first record is taken."},
    {.name = "function",
     .section = KAB_SECTION_BINDING,
     RULE(STRING),
     .flags = KAB_ROW_REQUIRED,
     .help = "What is called with the records: the name of a function that "
             "ships, of a module, or the path of a .so (it has a slash)."},
    {.name = "function.*",
     .section = KAB_SECTION_BINDING,
     RULE(STRING),
     .default_words = "the function's",
     .help = "The function's own options, checked against its table; kabridge "
             "functions lists them."},
    {.name = "threads",
     BINDING(engine.threads),
     RULE(INTEGER, .range = "1..1024", .word = "auto", .number = 0),
     .default_value = "auto",
     .help = "Threads that call the function, made on demand. auto: as many "
             "as max.in.flight."},
    {.name = "max.in.flight",
     BINDING(engine.max_in_flight),
     RULE(INTEGER, .range = "1..1024"),
     .default_value = "4",
     .mode_default = "64",
     .modes = KAB_MODE_ADAPTIVE,
     .flags = KAB_ROW_RELOADABLE,
     .help = "Calls in flight at once."},
    {.name = "batch.count",
     BINDING(engine.batch_count),
     RULE(INTEGER, .range = "1..1000000"),
     .default_value = "256",
     .mode_default = "4096",
     .modes = KAB_MODE_ADAPTIVE,
     .flags = KAB_ROW_RELOADABLE,
     .help = "Records in a batch at most."},
    {.name = "batch.bytes",
     BINDING(engine.batch_bytes),
     RULE(SIZE, .range = "1..1GiB"),
     .default_value = "1MiB",
     .mode_default = "8MiB",
     .modes = KAB_MODE_ADAPTIVE,
     .flags = KAB_ROW_RELOADABLE,
     .help = "Bytes of keys and values in a batch at most. A larger record "
             "travels alone."},
    {.name = "batch.period",
     BINDING(engine.batch_period_us),
     RULE(DURATION, .range = "0..1h", .word = "never", .number = KAB_NEVER),
     .default_value = "0",
     .flags = KAB_ROW_RELOADABLE,
     .help = "How long a batch may wait to fill, from its first record. 0: a "
             "free call slot takes what is there. never: only count, bytes "
             "or a drain send it."},
    {.name = "batching",
     BINDING(engine.is_adaptive),
     RULE(CHOICE, .range = "static|adaptive"),
     .default_value = "static",
     .help = "adaptive: batch size and calls in flight follow latency.target, "
             "and batch.count, batch.bytes and max.in.flight are ceilings."},
    {.name = "latency.target",
     BINDING(engine.latency_target_us),
     RULE(DURATION, .range = "1ms..10m"),
     .default_value = "200ms",
     .flags = KAB_ROW_RELOADABLE,
     .help = "Adaptive only: 99 % of records are resolved within this time of "
             "being taken, while there is no lag."},
    {.name = "order",
     BINDING(engine.order),
     RULE(CHOICE, .range = "unordered|ordered|key|partition"),
     .default_value = "unordered",
     .help = "ordered: calls concurrent, outputs in input order per "
             "partition. key: one batch of a key in flight, outputs in order "
             "per key, null keys unordered. partition: one batch of a "
             "partition in flight."},
    {.name = "buffer.bytes",
     BINDING(engine.buffer_bytes),
     RULE(SIZE, .range = "1..1024GiB"),
     .default_value = "64MiB",
     .mode_default = "256MiB",
     .modes = KAB_MODE_ADAPTIVE | KAB_MODE_EXACTLY_ONCE,
     .flags = KAB_ROW_RELOADABLE,
     .help =
         "Everything taken and not finished: each record is charged with "
         "key, value and 512 bytes, and so is each output, but not with a "
         "value that is its record's own. It limits what is taken. "
         "Exactly-once holds what is in a transaction until it "
         "ends, and ends one early that holds three quarters of this: with "
         "256MiB records of 1000 bytes pass 1.1 to 1.4 times as fast as with "
         "64MiB, and the process takes twice the memory."},
    {.name = "delivery",
     BINDING(engine.delivery),
     RULE(CHOICE, .range = "at-least-once|exactly-once"),
     .default_value = "at-least-once",
     .help = "exactly-once: outputs and offsets are one transaction."},
    {.name = "commit.interval",
     BINDING(engine.commit_interval_us),
     RULE(DURATION, .range = "0..5m"),
     .default_value = "10ms",
     .flags = KAB_ROW_RELOADABLE,
     .help = "A commit follows each emit, but not more often than this. 0: "
             "each emit."},
    {.name = "transactional.id",
     BINDING(transactional_id),
     RULE(STRING),
     .default_words = "GROUP-NAME-INSTANCE",
     .help = "Exactly-once: prefix of the transactional ids. Unique per "
             "running process and the same after a restart. INSTANCE is "
             "that of [bridge]."},
    {.name = "transaction.interval",
     BINDING(engine.transaction_interval_us),
     RULE(DURATION, .range = "1ms..5m"),
     .default_value = "100ms",
     .help = "Exactly-once: how long a transaction collects. Below a third of "
             "the producer's transaction.timeout.ms."},
    {.name = "call.timeout",
     BINDING(engine.call_timeout_us),
     RULE(DURATION, .range = "0..24h"),
     .default_value = "30s",
     .flags = KAB_ROW_RELOADABLE,
     .help = "How long one call may take. 0: any time."},
    {.name = "retry.max.attempts",
     BINDING(engine.retry_max_attempts),
     RULE(INTEGER, .range = "0..1000000"),
     .default_value = "5",
     .flags = KAB_ROW_RELOADABLE,
     .help = "Calls of the same set of records that fail, the first "
             "included, before it is halved; a record alone has as many of "
             "its own. Overload never counts; a second crash is the last. 0: "
             "no limit."},
    {.name = "retry.backoff",
     BINDING(engine.retry_backoff_us),
     RULE(DURATION, .range = "0..1h"),
     .default_value = "100ms",
     .flags = KAB_ROW_RELOADABLE,
     .help = "The wait before the second call; doubles from call to call."},
    {.name = "retry.backoff.max",
     BINDING(engine.retry_backoff_max_us),
     RULE(DURATION, .range = "0..24h"),
     .default_value = "10s",
     .flags = KAB_ROW_RELOADABLE,
     .help = "The longest such wait."},
    {.name = "retry.jitter",
     BINDING(engine.retry_jitter),
     RULE(RATIO, .range = "0..1"),
     .default_value = "0.2",
     .flags = KAB_ROW_RELOADABLE,
     .help = "The share of a wait that is left to chance."},
    {.name = "bisect",
     BINDING(engine.bisect),
     RULE(BOOLEAN),
     .default_value = "true",
     .help = "Halve a set that is out of attempts, until the record at fault "
             "is alone. false: the whole set goes to on.failure."},
    {.name = "dead.letter.topic",
     BINDING(dead_letter_topic),
     RULE(STRING),
     .help = "Where records go that are rejected or out of attempts."},
    {.name = "on.failure",
     BINDING(engine.on_failure),
     RULE(CHOICE, .range = "stop|dlq|drop|pass"),
     .default_words = "dlq with a dead.letter.topic, else stop",
     .help = "What happens to a record that is rejected or out of attempts. "
             "pass: it goes on to output.topic unchanged, with the headers of "
             "a dead letter."},
    {.name = "rate.limit",
     BINDING(engine.rate_limit_calls),
     RULE(RATE, .range = "1..1000000", .word = "none", .number = 0),
     .default_value = "none",
     .flags = KAB_ROW_RELOADABLE,
     .help = "Calls per time at most, retries included."},
    {.name = "rebalance.drain.timeout",
     BINDING(engine.rebalance_drain_timeout_us),
     RULE(DURATION, .range = "0..10m"),
     .default_value = "10s",
     .flags = KAB_ROW_RELOADABLE,
     .help = "How long the calls of a revoked partition may finish. At most "
             "half of the consumer's max.poll.interval.ms."},
    {.name = "shutdown.timeout",
     BINDING(engine.shutdown_timeout_us),
     RULE(DURATION, .range = "0..1h"),
     .default_value = "25s",
     .flags = KAB_ROW_RELOADABLE,
     .help = "How long a stop may take. Keep it below the time after which "
             "the service manager kills."},
    {.name = "stall.timeout",
     BINDING(engine.stall_timeout_us),
     RULE(DURATION, .range = "1ms..24h"),
     .default_value = "60s",
     .flags = KAB_ROW_RELOADABLE,
     .help = "Records wait, and their partition's committed position has "
             "stood still for this long: not ready, and the reason says where "
             "it is stuck."},
    {.name = "trace.endpoint",
     BINDING(trace_endpoint),
     RULE(STRING, .word = "none"),
     .default_value = "none",
     .help = "URL of a trace collector that takes OTLP/HTTP as JSON: one span "
             "a call, linked to the traceparent headers of its records. "
             "Without a path, /v1/traces. What it does not take is lost and "
             "counted."},
    {.name = "consumer.*",
     .section = KAB_SECTION_BINDING,
     RULE(STRING),
     .default_words = "[kafka]'s, or the bridge's below",
     .help = "Any librdkafka property, for this binding's consumer."},
    {.name = "producer.*",
     .section = KAB_SECTION_BINDING,
     RULE(STRING),
     .default_words = "[kafka]'s, or the bridge's below",
     .help = "Any librdkafka property, for this binding's producer."},

    {.name = "listen",
     .section = KAB_SECTION_ADMIN,
     FIELD(KabSettings, admin_listen),
     RULE(STRING, .word = "off"),
     .default_value = "127.0.0.1:9464",
     .help = "Address and port of the HTTP server. off: none."},
    {.name = "tap",
     .section = KAB_SECTION_ADMIN,
     FIELD(KabSettings, has_tap),
     RULE(CHOICE, .range = "off|on"),
     .default_value = "off",
     .help = "Whether kabridge tap may show a sample of the records, keys and "
             "values included. Answered over loopback only."},
    {.name = "level",
     .section = KAB_SECTION_LOG,
     FIELD(KabSettings, log_level),
     RULE(CHOICE, .range = "error|warning|info|debug"),
     .default_value = "info",
     .numbers = log_levels,
     .flags = KAB_ROW_RELOADABLE,
     .help = "The least important lines that are written."},
    {.name = "format",
     .section = KAB_SECTION_LOG,
     FIELD(KabSettings, log_format),
     RULE(CHOICE, .range = "text|json|journal"),
     .default_value = "text",
     .help = "How lines are written. journal: with fields, to the journal."},
    {.name = "path",
     .section = KAB_SECTION_MODULES,
     FIELD(KabSettings, module_path),
     RULE(STRING),
     .help = "Directories with modules, separated by colons. "
             "KABRIDGE_MODULE_PATH goes before it, the built-in directory "
             "after it."},
    {.name = "on.stop",
     .section = KAB_SECTION_BRIDGE,
     FIELD(KabSettings, on_stop),
     RULE(CHOICE, .range = "exit|continue"),
     .default_value = "exit",
     .help = "What the process does when one binding stops by itself: drain "
             "the others and leave, or stay, not ready, until none is left."},
    {.name = "instance",
     .section = KAB_SECTION_BRIDGE,
     FIELD(KabSettings, instance),
     RULE(STRING),
     .default_words = "the host name",
     .help = "The name of this process, the same after a restart. Two "
             "processes on one host need two."},
};
