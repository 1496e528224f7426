/* SPDX-License-Identifier: Apache-2.0 */
/* Invalid configurations and the exact messages for them. "f" is the file's
 * name, RDKAFKA the version of librdkafka at run time. */
#pragma once

typedef struct {
    const char *name, *text, *message;
} KabWrong;

/* Lines 1 and 2; then BINDING (lines 3 to 5) or FITTING (lines 3 to 6). */
#define KAFKA "[kafka]\nbootstrap.servers = a:1\n"
#define BINDING "[binding b]\ninput.topics = in\nfunction = larger-struct\n"
#define FITTING                                                                \
    "[binding b]\ninput.topics = in\nfunction = fitting\nfunction.url = x\n"

static const KabWrong wrong_settings[] = {
    {"an unknown section", KAFKA BINDING "[bridges]\n",
     "f:6: [bridges]: found an unknown section; wanted [kafka], [binding "
     "NAME], [admin], [log], [modules] or [bridge], perhaps [bridge]"},
    {"a section without a name",
     KAFKA BINDING "[]\n"
                   "x = 1\n",
     "f:6: []: found an unknown section; wanted [kafka], [binding NAME], "
     "[admin], [log], [modules] or [bridge]"},
    {"a line outside", "x = 1\n" KAFKA BINDING,
     "f:1: found a key before any section; wanted [section] above it"},
    {"a missing bracket",
     KAFKA BINDING "[log\n"
                   "level = debug\n",
     "f:6: found a [ without its ] at the end of the line; wanted [section]"},
    {"a second section",
     KAFKA BINDING "[log]\n"
                   "[log]\n",
     "f:7: [log]: found this section a second time, the first is in line 6; "
     "wanted it once"},
    {"a second key",
     KAFKA BINDING "order = key\n"
                   "order = key\n",
     "f:7: [binding b] order: found this key a second time, the first is in "
     "line 6; wanted it once"},
    {"no =", KAFKA BINDING "order key\n",
     "f:6: [binding b]: found a line without =; wanted key = value, [section] "
     "or # comment"},
    {"an indented comment", KAFKA BINDING "  # order = key\n",
     "f:6: [binding b]: found # behind blanks; wanted a comment to begin at "
     "the beginning of its line"},
    {"not text", KAFKA BINDING "group = \xff\n",
     "f:6: [binding b]: found bytes that are no text; wanted UTF-8 without "
     "NUL"},
    {"an unset variable", KAFKA BINDING "group = ${UNSET}\n",
     "f:6: [binding b] group: found ${UNSET}, which is not in the environment; "
     "wanted it set, or ${UNSET:-default}"},
    {"an open expansion", KAFKA BINDING "group = ${UNSET\n",
     "f:6: [binding b] group: found ${ without its }; wanted ${NAME}, or $$ "
     "for a dollar"},
    {"a file that is not there", KAFKA BINDING "group = ${file:/nonexistent}\n",
     "f:6: [binding b] group: found \"/nonexistent\", which cannot be read "
     "(No such file or directory); wanted a file of 1 MiB at most"},
    {"no broker", "[kafka]\nbootstrap.servers =\n" BINDING,
     "f:2: [kafka] bootstrap.servers: found none for binding b; wanted "
     "HOST:PORT, separated by commas"},
    {"properties that contradict", KAFKA BINDING "producer.acks = 1\n",
     "f:6: [binding b] producer.acks: found properties that make no producer: "
     "`acks` must be set to `all` when `enable.idempotence` is true; wanted "
     "others"},
    {"an output that lingers for as long as its transaction may take",
     KAFKA BINDING "delivery = exactly-once\n"
                   "producer.linger.ms = 10000\n",
     "f:7: [binding b] producer.linger.ms: found linger.ms 10000, not below "
     "transaction.timeout.ms 10000, when an output is given up; wanted it "
     "below"},
    {"an output that lingers until it is given up",
     KAFKA "linger.ms = 400\n" BINDING "producer.message.timeout.ms = 300\n",
     "f:3: [kafka] linger.ms: found linger.ms 400, not below "
     "message.timeout.ms 300, when an output is given up; wanted it below"},
    {"an output that is given up before it may linger",
     KAFKA BINDING "delivery = exactly-once\n"
                   "producer.message.timeout.ms = 4\n",
     "f:7: [binding b] producer.message.timeout.ms: found linger.ms 5, not "
     "below message.timeout.ms 4, when an output is given up; wanted it "
     "below"},
    {"properties that contradict under exactly once alone",
     KAFKA "socket.timeout.ms = 60000\n" BINDING "delivery = exactly-once\n",
     "f:3: [kafka] socket.timeout.ms: found properties that make no producer: "
     "`socket.timeout.ms` must be set <= `transaction.timeout.ms` + 100; "
     "wanted others"},
    {"an unknown assignor",
     KAFKA BINDING "consumer.partition.assignment.strategy = x\n",
     "f:6: [binding b] consumer.partition.assignment.strategy: found "
     "properties that make no consumer: Unsupported "
     "partition.assignment.strategy: x; wanted others"},
    {"a right that is not there",
     "[kafka]\nbootstrap.servers = a:1\nsecurity.protocol = sasl_ssl\n"
     "sasl.mechanism = PLAIN\nsasl.password = x\n" BINDING,
     "f:5: [kafka] sasl.password: found properties that make no consumer: "
     "sasl.username and sasl.password must be set; wanted others"},
    {"no binding", KAFKA,
     "f: found no binding; wanted a section [binding NAME]"},
    {"no file at all", "",
     "f: found no binding; wanted a section [binding NAME]"},
    {"a binding without a name",
     KAFKA "[binding]\n"
           "input.topics = in\n"
           "function = larger-struct\n",
     "f:3: [binding]: found a name that is empty, long or has other "
     "characters; wanted [binding NAME] with 1 to 100 letters, digits, dots, "
     "underscores or minuses"},
    {"a binding's name",
     KAFKA "[binding a b]\n"
           "input.topics = in\n"
           "function = larger-struct\n",
     "f:3: [binding a b]: found a name that is empty, long or has other "
     "characters; wanted [binding NAME] with 1 to 100 letters, digits, dots, "
     "underscores or minuses"},
    {"no topics, no function", KAFKA "[binding b]\n",
     "f:3: [binding b] input.topics: found none; wanted topics, separated by "
     "commas\n"
     "f:3: [binding b] function: found none; wanted the name of a function; "
     "kabridge functions lists them"},
    {"empty topics",
     KAFKA "[binding b]\n"
           "input.topics = ${EMPTY}\n"
           "function =\n",
     "f:4: [binding b] input.topics: found nothing; wanted a list, separated "
     "by commas\n"
     "f:5: [binding b] function: found none; wanted the name of a function; "
     "kabridge functions lists them"},
    {"no topic among the commas",
     KAFKA "[binding b]\n"
           "input.topics = , ,\n"
           "function = larger-struct\n",
     "f:4: [binding b] input.topics: found no topic; wanted topics, separated "
     "by commas"},
    {"a topic's name",
     KAFKA "[binding b]\n"
           "input.topics = a b\n"
           "function = larger-struct\n",
     "f:4: [binding b] input.topics: found \"a b\"; wanted a topic's name: 1 "
     "to 249 letters, digits, dots, underscores or minuses"},
    {"a topic twice",
     KAFKA "[binding b]\n"
           "input.topics = a, b, a\n"
           "function = larger-struct\n",
     "f:4: [binding b] input.topics: found \"a\" twice; wanted it once"},
    {"a broken pattern",
     KAFKA "[binding b]\n"
           "input.topics = ^a(\n"
           "function = larger-struct\n",
     "f:4: [binding b] input.topics: found \"^a(\"; wanted a POSIX extended "
     "regular expression"},
    {"no brokers",
     "[binding b]\n"
     "input.topics = in\n"
     "function = larger-struct\n",
     "f: [kafka] bootstrap.servers: found none for binding b; wanted "
     "HOST:PORT, separated by commas"},
    {"an unknown key", KAFKA BINDING "bach.count = 5\n",
     "f:6: [binding b] bach.count: found an unknown key; wanted an option of a "
     "binding, function.…, consumer.… or producer.…, perhaps batch.count"},
    {"an unknown key with other separators", KAFKA BINDING "batch_count = 5\n",
     "f:6: [binding b] batch_count: found an unknown key; wanted an option of "
     "a binding, function.…, consumer.… or producer.…, perhaps batch.count"},
    {"an unknown key that is like none; its value is not shown",
     KAFKA BINDING "password = hunter2\n",
     "f:6: [binding b] password: found an unknown key; wanted an option of a "
     "binding, function.…, consumer.… or producer.…"},
    {"a prefix that is not quite", KAFKA BINDING "functon.url = x\n",
     "f:6: [binding b] functon.url: found an unknown key; wanted an option of "
     "a binding, function.…, consumer.… or producer.…, perhaps function.url"},
    {"a consumer's property", KAFKA BINDING "fetch.max.bytes = 1\n",
     "f:6: [binding b] fetch.max.bytes: found an unknown key; wanted an option "
     "of a binding, function.…, consumer.… or producer.…, perhaps "
     "consumer.fetch.max.bytes"},
    {"a property of both clients", KAFKA BINDING "client.id = x\n",
     "f:6: [binding b] client.id: found an unknown key; wanted an option of a "
     "binding, function.…, consumer.… or producer.…, perhaps client.id in "
     "[kafka]"},
    {"a property that is an option, without its prefix",
     KAFKA BINDING "group.id = x\n",
     "f:6: [binding b] group.id: found an unknown key (it is the option "
     "`group`); wanted an option of a binding, function.…, consumer.… or "
     "producer.…"},
    {"a whole number", KAFKA BINDING "batch.count = many\n",
     "f:6: [binding b] batch.count: found \"many\"; wanted a whole number "
     "1..1000000"},
    {"a number out of range", KAFKA BINDING "batch.count = 0\n",
     "f:6: [binding b] batch.count: found \"0\"; wanted a whole number "
     "1..1000000"},
    {"an empty number", KAFKA BINDING "batch.count =\n",
     "f:6: [binding b] batch.count: found nothing; wanted a whole number "
     "1..1000000"},
    {"a size", KAFKA BINDING "batch.bytes = 1MB\n",
     "f:6: [binding b] batch.bytes: found \"1MB\"; wanted a size 1..1GiB, like "
     "4096, 64KiB or 1MiB"},
    {"a time without a unit", KAFKA BINDING "call.timeout = 30\n",
     "f:6: [binding b] call.timeout: found \"30\"; wanted a time 0..24h, like "
     "250us, 10ms, 5s or 2m"},
    {"a time or a word", KAFKA BINDING "batch.period = always\n",
     "f:6: [binding b] batch.period: found \"always\"; wanted a time 0..1h, "
     "like 250us, 10ms, 5s or 2m, or never"},
    {"threads", KAFKA BINDING "threads = some\n",
     "f:6: [binding b] threads: found \"some\"; wanted a whole number 1..1024, "
     "or auto"},
    {"a choice", KAFKA BINDING "order = sorted\n",
     "f:6: [binding b] order: found \"sorted\"; wanted one of unordered, "
     "ordered, key, partition"},
    {"a boolean", KAFKA BINDING "bisect = 2\n",
     "f:6: [binding b] bisect: found \"2\"; wanted true or false"},
    {"a ratio", KAFKA BINDING "retry.jitter = 20%\n",
     "f:6: [binding b] retry.jitter: found \"20%\"; wanted a number 0..1, like "
     "0.2"},
    {"a rate", KAFKA BINDING "rate.limit = 100\n",
     "f:6: [binding b] rate.limit: found \"100\"; wanted a number per time "
     "1..1000000, like 100/s or 5/10ms, or none"},
    {"an option of a function that has none",
     KAFKA BINDING "function.url = x\n",
     "f:6: [binding b] function.url: found an option that function "
     "larger-struct does not have; wanted none, it has no options"},
    {"an unknown option of the function", KAFKA FITTING "function.urll = x\n",
     "f:7: [binding b] function.urll: found an option that function fitting "
     "does not have; wanted one of those that `kabridge functions` lists, "
     "perhaps function.url"},
    {"a required option of the function",
     KAFKA "[binding b]\n"
           "input.topics = in\n"
           "function = fitting\n",
     "f:3: [binding b] function.url: found none; wanted one, function fitting "
     "needs it: Where to call."},
    {"a required option that cannot be expanded",
     KAFKA "[binding b]\n"
           "input.topics = in\n"
           "function = fitting\n"
           "function.url = ${UNSET}\n",
     "f:6: [binding b] function.url: found ${UNSET}, which is not in the "
     "environment; wanted it set, or ${UNSET:-default}"},
    {"a function's number", KAFKA FITTING "function.count = 0\n",
     "f:7: [binding b] function.count: found \"0\"; wanted a whole number "
     "1..1000"},
    {"a function's choice", KAFKA FITTING "function.mode = all\n",
     "f:7: [binding b] function.mode: found \"all\"; wanted one of batch, "
     "each"},
    {"a function's secret is not shown", KAFKA FITTING "function.pin = 12\n",
     "f:7: [binding b] function.pin: found something else; wanted a whole "
     "number 1000..9999"},
    {"an empty required option",
     KAFKA "[binding b]\n"
           "input.topics = in\n"
           "function = fitting\n"
           "function.url =\n",
     "f:6: [binding b] function.url: found nothing; wanted a text"},
    {"a property we own", KAFKA BINDING "consumer.enable.auto.commit = true\n",
     "f:6: [binding b] consumer.enable.auto.commit: found a property that the "
     "bridge sets itself (offsets are committed when their records are "
     "finished); wanted none"},
    {"a property that is an option", KAFKA BINDING "consumer.group.id = g\n",
     "f:6: [binding b] consumer.group.id: found a property that the bridge "
     "sets itself (it is the option `group`); wanted none"},
    {"a property we own, in [kafka]", KAFKA "transactional.id = t\n" BINDING,
     "f:3: [kafka] transactional.id: found a property that the bridge sets "
     "itself (it is the option `transactional.id` of the binding); wanted "
     "none"},
    {"an unknown property", KAFKA BINDING "consumer.fetch.max.byte = 5\n",
     "f:6: [binding b] consumer.fetch.max.byte: found a property that "
     "librdkafka RDKAFKA does not have; wanted one of its properties, perhaps "
     "fetch.max.bytes"},
    {"a property of the other client", KAFKA BINDING "consumer.linger.ms = 5\n",
     "f:6: [binding b] consumer.linger.ms: found a property of the other "
     "client; wanted producer.linger.ms"},
    {"a property's value", KAFKA BINDING "producer.linger.ms = soon\n",
     "f:6: [binding b] producer.linger.ms: found \"soon\"; wanted 0 .. 900000"},
    {"a secret property's value is not shown",
     KAFKA "ssl.key.password.x = hunter2\n" BINDING,
     "f:3: [kafka] ssl.key.password.x: found a property that librdkafka "
     "RDKAFKA does not have; wanted one of its properties, perhaps "
     "ssl.key.password"},
    {"an output that is an input", KAFKA BINDING "output.topic = in\n",
     "f:6: [binding b] output.topic: found \"in\", which input.topics reads "
     "(in): the binding would feed itself; wanted another topic"},
    {"an output that a pattern reads",
     KAFKA "[binding b]\n"
           "input.topics = ^orders-.*\n"
           "output.topic = orders-out\n"
           "function = larger-struct\n",
     "f:5: [binding b] output.topic: found \"orders-out\", which input.topics "
     "reads (^orders-.*): the binding would feed itself; wanted another topic"},
    {"one of the outputs is an input",
     KAFKA BINDING "output.topics = out, in\n",
     "f:6: [binding b] output.topics: found \"in\", which input.topics reads "
     "(in): the binding would feed itself; wanted another topic"},
    {"a dead-letter topic that is an input",
     KAFKA BINDING "dead.letter.topic = in\n",
     "f:6: [binding b] dead.letter.topic: found \"in\", which input.topics "
     "reads (in): the binding would feed itself; wanted another topic"},
    {"a dead-letter topic that is an output",
     KAFKA BINDING "output.topics = out\n"
                   "dead.letter.topic = out\n",
     "f:7: [binding b] dead.letter.topic: found \"out\", which is an output "
     "too; wanted a topic of its own"},
    {"dlq without a topic", KAFKA BINDING "on.failure = dlq\n",
     "f:6: [binding b] on.failure: found \"dlq\" without dead.letter.topic; "
     "wanted both, or stop, drop or pass"},
    {"pass without a topic", KAFKA BINDING "on.failure = pass\n",
     "f:6: [binding b] on.failure: found \"pass\" without output.topic; wanted "
     "both, or stop, dlq or drop"},
    {"a back-off above its maximum", KAFKA BINDING "retry.backoff = 20s\n",
     "f:6: [binding b] retry.backoff: found retry.backoff 20s above "
     "retry.backoff.max 10s; wanted it below"},
    {"a maximum below the back-off", KAFKA BINDING "retry.backoff.max = 50ms\n",
     "f:6: [binding b] retry.backoff.max: found retry.backoff 100ms above "
     "retry.backoff.max 50ms; wanted it below"},
    {"a buffer below a batch", KAFKA BINDING "buffer.bytes = 1k\n",
     "f:6: [binding b] buffer.bytes: found buffer.bytes 1k below batch.bytes "
     "1MiB; wanted room for one batch at least"},
    {"a drain above half of the poll interval",
     KAFKA BINDING "rebalance.drain.timeout = 20s\n"
                   "consumer.max.poll.interval.ms = 30000\n"
                   "consumer.session.timeout.ms = 20000\n",
     "f:6: [binding b] rebalance.drain.timeout: found 20s, more than half of "
     "the consumer's max.poll.interval.ms (30000); wanted at most 15000ms"},
    {"a transaction's interval",
     KAFKA BINDING "delivery = exactly-once\n"
                   "transaction.interval = 4s\n",
     "f:7: [binding b] transaction.interval: found 4s, not below a third of "
     "the producer's transaction.timeout.ms (10000); wanted less than 3333ms"},
    {"a transaction's interval against the time-out given",
     KAFKA BINDING "delivery = exactly-once\n"
                   "transaction.interval = 400ms\n"
                   "producer.transaction.timeout.ms = 1200\n",
     "f:7: [binding b] transaction.interval: found 400ms, not below a third of "
     "the producer's transaction.timeout.ms (1200); wanted less than 400ms"},
    {"exactly once without idempotence",
     KAFKA BINDING "delivery = exactly-once\n"
                   "producer.enable.idempotence = false\n",
     "f:7: [binding b] producer.enable.idempotence: found a property that the "
     "bridge sets itself (without it a retried request writes an output twice, "
     "or out of order); wanted none"},
    {"one group, other topics",
     KAFKA BINDING "group = g\n"
                   "[binding c]\n"
                   "input.topics = in, other\n"
                   "function = larger-struct\n"
                   "group = g\n",
     "f:10: [binding c] group: found group \"g\" reading other topics than "
     "binding b does with it; wanted a group of its own, or the same topics"},
    {"one transactional id twice",
     KAFKA BINDING "delivery = exactly-once\n"
                   "transactional.id = t\n"
                   "[binding c]\n"
                   "input.topics = in\n"
                   "function = larger-struct\n"
                   "delivery = exactly-once\n"
                   "transactional.id = t\n",
     "f:12: [binding c] transactional.id: found \"t\", which binding b has "
     "too; wanted one of its own"},
    {"the admin's address",
     KAFKA BINDING "[admin]\n"
                   "listen = 9464\n",
     "f:7: [admin] listen: found \"9464\"; wanted ADDRESS:PORT, or off"},
    {"the admin's port",
     KAFKA BINDING "[admin]\n"
                   "listen = localhost:http\n",
     "f:7: [admin] listen: found \"localhost:http\"; wanted ADDRESS:PORT, or "
     "off"},
    {"an unknown key elsewhere",
     KAFKA BINDING "[log]\n"
                   "lvel = debug\n",
     "f:7: [log] lvel: found an unknown key; wanted one of [log], perhaps "
     "level"},
    {"a level",
     KAFKA BINDING "[log]\n"
                   "level = loud\n",
     "f:7: [log] level: found \"loud\"; wanted one of error, warning, info, "
     "debug"},
    {"what to do at a stop",
     KAFKA BINDING "[bridge]\n"
                   "on.stop = restart\n",
     "f:7: [bridge] on.stop: found \"restart\"; wanted one of exit, continue"},
    {"several at once, by their lines",
     KAFKA BINDING "batch.count = 0\n"
                   "ordr = key\n"
                   "[log]\n"
                   "level = loud\n"
                   "[extra]\n",
     "f:6: [binding b] batch.count: found \"0\"; wanted a whole number "
     "1..1000000\n"
     "f:7: [binding b] ordr: found an unknown key; wanted an option of a "
     "binding, function.…, consumer.… or producer.…, perhaps order\n"
     "f:9: [log] level: found \"loud\"; wanted one of error, warning, info, "
     "debug\n"
     "f:10: [extra]: found an unknown section; wanted [kafka], [binding NAME], "
     "[admin], [log], [modules] or [bridge]"},
};
