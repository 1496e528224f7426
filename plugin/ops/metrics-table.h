/* SPDX-License-Identifier: Apache-2.0 */
/* Every metric family, one row each: the source of /metrics and of
 * doc/metrics.md. Included by metrics.c only.
 *
 *   X(type, form, name, labels, field, help)
 *     form    how the field of KabBindingSnapshot is read and shown
 *     name    without "kabridge_"; includes the unit; counters end in _total
 *     labels  the label besides `binding`, with its values
 *     field   AT() of KabBindingSnapshot, EACH() of KabPartitionSnapshot
 */
/* clang-format off */
#define KAB_METRICS(X)                                                         \
    X(COUNTER, U64, "records_consumed_total", NONE,                            \
      AT(counters.records_consumed),                                           \
      "Records taken from the input topics.")                                  \
    X(COUNTER, U64, "records_produced_total", NONE,                            \
      AT(counters.records_produced),                                           \
      "Outputs acknowledged by the output topics.")                            \
    X(COUNTER, U64, "records_finished_total", OUTCOME,                         \
      AT(counters.records_finished),                                           \
      "Input records that are finished, by how they ended: done "              \
      "(outputs acknowledged), dropped (the function gave none), "             \
      "rejected (dead letter acknowledged), discarded (failed, "               \
      "on.failure = drop), passed (failed; the input itself is "               \
      "acknowledged by the output topic).")                                    \
    X(COUNTER, U64, "records_retried_total", NONE,                             \
      AT(counters.records_retried),                                            \
      "Records given to the function again.")                                  \
    X(COUNTER, U64, "dead_letters_total", CLASS, AT(counters.dead_letters),    \
      "Records written to the dead-letter topic, by the class of their "       \
      "failure.")                                                              \
    X(COUNTER, U64, "records_skipped_total", SKIP,                             \
      AT(counters.records_skipped),                                            \
      "Records not given to the function: finished (an earlier owner "         \
      "had finished them), stale (fetched twice), out_of_range (once "         \
      "for each time the log no longer held the committed offset).")           \
    X(COUNTER, U64, "batches_total", TRIGGER, AT(counters.batches),            \
      "Batches called, by what made them leave.")                              \
    X(HISTOGRAM, RECORDS, "batch_records", NONE, AT(counters.batch_records),   \
      "Records in a batch.")                                                   \
    X(HISTOGRAM, MICROSECONDS, "call_seconds", NONE, AT(counters.call_us),     \
      "Time from entering the function to its answer.")                        \
    X(GAUGE, UNSIGNED, "calls_in_flight", NONE, AT(engine.calls_in_flight),    \
      "Calls that have not answered yet and are still wanted.")                \
    X(COUNTER, U64, "calls_total", CALL, AT(counters.calls),                   \
      "Calls of the function, by how they ended.")                             \
    X(COUNTER, U64, "call_faults_total", FAULT, AT(counters.call_faults),      \
      "What the function did against its contract: no_answer (records "        \
      "left without an outcome), late and double (answers that changed "       \
      "nothing), blocked (calls that held up the loop, although the "          \
      "function says that it never blocks).")                                  \
    X(COUNTER, UNITS, "function_units_total", UNIT, AT(units),                 \
      "What the function counts itself, by the name it gave (tokens, rows, "   \
      "cache hits).")                                                          \
    X(COUNTER, U64, "answers_misaligned_total", NONE, AT(answers_misaligned),  \
      "Answers that did not fit their batch (another number of results, or "   \
      "in another order): none of their results was used.")                    \
    X(GAUGE, SIZE, "buffer_records", NONE, AT(engine.records),                 \
      "Records taken and not finished.")                                       \
    X(GAUGE, SIZE, "buffer_bytes", NONE, AT(engine.bytes),                     \
      "What they and their outputs are charged against buffer.bytes.")         \
    X(GAUGE, AGE, "oldest_unfinished_seconds", NONE,                           \
      AT(engine.oldest_unfinished_us),                                         \
      "Age of the oldest record taken and not finished; 0 if there is "        \
      "none.")                                                                 \
    X(COUNTER, U64, "commits_total", COMMIT, AT(counters.commits),             \
      "Offset commits of partitions, by result: group means the group "        \
      "had moved on and the commit is repeated where it still applies, "       \
      "refused that it is not allowed and the binding stops.")                 \
    X(HISTOGRAM, MICROSECONDS, "commit_seconds", NONE,                         \
      AT(counters.commit_us),                                                  \
      "Time from asking for a commit to its result.")                          \
    X(GAUGE, AGE, "commit_age_seconds", NONE, AT(engine.commit_age_us),        \
      "Age of the oldest finished record whose offset is not committed "       \
      "yet; 0 if there is none. Grows while commits fail.")                    \
    X(COUNTER, U64, "commit_intervals_left_out_total", NONE,                   \
      AT(counters.intervals_left_out),                                         \
      "Finished intervals that had no room in a commit: delivered again"       \
      " after a restart.")                                                     \
    X(HISTOGRAM, MICROSECONDS, "record_seconds", NONE,                         \
      AT(counters.record_us),                                                  \
      "Time from taking a record to the acknowledgement of its outputs.")      \
    X(GAUGE, PARTITION_I64, "partition_lag", PARTITION, EACH(lag),             \
      "Records between the committed offset and the end of the "               \
      "partition.")                                                            \
    X(GAUGE, PARTITION_U64, "partition_finished_beyond", PARTITION,            \
      EACH(finished_beyond),                                                   \
      "Records finished beyond the committed offset.")                         \
    X(COUNTER, U64, "rebalances_total", REBALANCE, AT(source.rebalances),      \
      "Rebalance events of the consumer group, by kind.")                      \
    X(HISTOGRAM, MICROSECONDS, "rebalance_seconds", NONE,                      \
      AT(source.rebalance_us),                                                 \
      "Time from a rebalance event to its answer: how long nothing was "       \
      "fetched.")                                                              \
    X(COUNTER, U64, "sinks_lost_total", LOSS, AT(producer.losses),             \
      "Producers and transactions given up, by reason; what they had "         \
      "not finished was emitted again.")                                       \
    X(GAUGE, UNSIGNED, "calls_abandoned", NONE, AT(engine.calls_abandoned),    \
      "Calls that timed out and still hold their thread.")                     \
    X(COUNTER, U64, "transactions_total", TRANSACTION,                         \
      AT(counters.transactions),                                               \
      "Transactions, by result; unknown: asked to commit and never "           \
      "answered.")                                                             \
    X(GAUGE, SIZE, "adaptive_batch_limit", NONE, AT(engine.batch_limit),       \
      "Records in a batch at most, now; batch.count unless adaptive.")         \
    X(GAUGE, UNSIGNED, "adaptive_in_flight_limit", NONE, AT(engine.calls_limit), \
      "Calls in flight at most, now; max.in.flight unless adaptive.")          \
    X(COUNTER, U64, "produce_errors_total", REFUSAL,                           \
      AT(counters.produce_errors),                                             \
      "Outputs not delivered: record (it can never be written), sink "         \
      "(the producer was given up), fatal (the binding stops).")               \
    X(COUNTER, U64, "trace_spans_sent_total", NONE, AT(trace_spans_sent),      \
      "Spans that the collector of trace.endpoint took.")                      \
    X(COUNTER, U64, "trace_spans_lost_total", NONE, AT(trace_spans_lost),      \
      "Spans lost because the queue was full or the collector did not "        \
      "take them.")                                                            \
    X(GAUGE, ONE_HOT, "state", STATE, AT(state),                               \
      "1 for the state the binding is in, 0 for the others.")                  \
    X(GAUGE, IS_NULL, "ready", NONE, AT(reason),                               \
      "1 if the binding is ready, as /ready says.")

/* clang-format on */

/* Counters of the process, without a binding: X(name, function, help) */
#define KAB_PROCESS_METRICS(X)                                                 \
    X("log_lines_dropped_total", kab_log_n_dropped,                            \
      "Log lines that were dropped because standard error, or the journal, "   \
      "was full or closed.")

/* X(labels, label name, X-macro of its values) */
#define KAB_METRIC_LABELS(X)                                                   \
    X(OUTCOME, "outcome", KAB_ENDS)                                            \
    X(CLASS, "class", KAB_CLASSES)                                             \
    X(SKIP, "reason", KAB_SKIPS)                                               \
    X(TRIGGER, "trigger", KAB_TRIGGERS)                                        \
    X(CALL, "result", KAB_CALL_RESULTS)                                        \
    X(FAULT, "kind", KAB_FAULTS)                                               \
    X(COMMIT, "result", KAB_COMMIT_RESULTS)                                    \
    X(REBALANCE, "kind", KAB_REBALANCES)                                       \
    X(LOSS, "reason", KAB_LOSSES)                                              \
    X(TRANSACTION, "result", KAB_TXN_RESULTS)                                  \
    X(REFUSAL, "class", KAB_REFUSALS)                                          \
    X(STATE, "state", KAB_STATES)
