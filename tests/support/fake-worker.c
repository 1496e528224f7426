/* SPDX-License-Identifier: Apache-2.0 */
/* A worker for tests that behaves, or does not, as its words say:
 *
 *     fake-worker WORD[=ARGUMENT]...
 *
 * Without words it answers each record with its value. It speaks the protocol
 * by hand, so that nothing of the bridge's own code hides a mistake.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD = 16, RECORD = 44, MOST = 128 << 20 };
enum { READY = 2, BATCH, RESULT, LOG, PING, PONG, CANCEL, DRAIN, BYE, FATAL };
enum { TOPIC = 12 };

static int channel = 3;
static int n_words;
static char **words;

/* The argument of a word; NULL: it was not given. */
static const char *
argument_of(const char *word)
{
    size_t len = strlen(word);
    for (int i = 1; i < n_words; i++)
        if (strncmp(words[i], word, len) == 0 &&
            (words[i][len] == '\0' || words[i][len] == '='))
            return words[i][len] ? words[i] + len + 1 : words[i] + len;
    return NULL;
}

static uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

static void
put(uint8_t *at, uint64_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static void
read_all(void *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(channel, (char *)to + at, size - at);
        if (got <= 0)
            exit(0);
        at += (size_t)got;
    }
}

static void
write_all(const void *from, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t put_ =
            send(channel, (const char *)from + at, size - at, MSG_NOSIGNAL);
        if (put_ < 0)
            exit(0);
        at += (size_t)put_;
    }
}

static void
send_frame(int type, int flags, uint64_t id, const void *payload, size_t size)
{
    uint8_t head[HEAD] = {0};
    put(head, size, 4);
    head[4] = (uint8_t)type;
    head[5] = (uint8_t)flags;
    put(head + 8, id, 8);
    write_all(head, HEAD);
    write_all(payload, size);
}

static void
send_text(int type, const char *text)
{
    send_frame(type, 0, 0, text, strlen(text));
}

/* --- Results ----------------------------------------------------------- */

static uint8_t result[MOST];
static size_t result_size;

static void
add_value(uint32_t index, const uint8_t *value, int32_t len)
{
    uint8_t *at = result + result_size;
    size_t bytes = len > 0 ? (size_t)len : 0;
    put(at, index, 4);
    at[4] = 0;
    put(at + 5, 1, 2);
    put(at + 7, UINT32_MAX, 4);    /* the binding's topic */
    put(at + 11, UINT32_MAX, 4);   /* any partition */
    put(at + 15, UINT64_MAX, 8);   /* the input's timestamp */
    put(at + 23, (uint32_t)-2, 4); /* the input's key */
    put(at + 27, (uint32_t)len, 4);
    put(at + 31, 0, 4);
    memcpy(at + 35, value, bytes);
    result_size += 35 + bytes;
}

static void
add_status(uint32_t index, int status)
{
    uint8_t *at = result + result_size;
    put(at, index, 4);
    at[4] = (uint8_t)status;
    put(at + 5, 0, 2);
    put(at + 7, UINT32_MAX, 4);
    put(at + 11, 3, 4);
    memcpy(at + 15, "why", 3);
    result_size += status == 1 ? 7 : 18;
}

/* What a record asks for by its value. */
static void
answer_record(uint32_t index, const uint8_t *value, int32_t len)
{
    const char *poison = argument_of("crash-on");
    size_t poison_len = poison ? strlen(poison) : 0;
    if (poison && len >= (int32_t)poison_len &&
        memcmp(value, poison, poison_len) == 0) {
        fprintf(stderr, "it is that record\n");
        signal(SIGSEGV, SIG_DFL); /* a sanitizer would catch it */
        kill(getpid(), SIGSEGV);
    }
    const char *statuses = argument_of("statuses");
    if (statuses)
        add_status(index, statuses[index % strlen(statuses)] - '0');
    else
        add_value(index, value, len);
}

/* Lies that are told instead of, or with, a right answer. False: that was
 * the answer. */
static bool
tell_lies(uint64_t id, uint32_t n)
{
    if (argument_of("long-length")) {
        uint8_t head[HEAD] = {0};
        put(head, 0xF0000000u, 4);
        head[4] = RESULT;
        head[5] = 1;
        put(head + 8, id, 8);
        write_all(head, HEAD);
        return false;
    }
    if (argument_of("long-output")) {
        static const uint8_t value[1];
        add_value(0, value, 1);
        put(result + 27, 1000000, 4);
        return true;
    }
    if (argument_of("duplicate"))
        add_status(0, 1);
    if (argument_of("unknown-index"))
        add_status(n, 1);
    if (argument_of("unknown-batch")) {
        send_frame(RESULT, 1, id + 1000, NULL, 0);
        return false;
    }
    if (argument_of("wrong-status")) {
        add_status(0, 1);
        result[4] = 9;
    }
    if (argument_of("garbage")) {
        write_all("this is no frame, and a long one at that", 40);
        return false;
    }
    if (argument_of("wrong-topic")) {
        static const uint8_t value[1];
        add_value(0, value, 1);
        put(result + 7, 5, 4);
    }
    return true;
}

static void
answer_batch(uint64_t id, const uint8_t *payload)
{
    uint32_t n = get32(payload);
    const uint8_t *bytes = payload + 8 + (size_t)n * RECORD;
    const char *late = argument_of("sleep-ms");
    const char *some = argument_of("answer-only");
    result_size = 0;
    if (argument_of("hang"))
        for (;;)
            pause();
    if (late)
        usleep((useconds_t)atoi(late) * 1000);
    if (argument_of("exit"))
        exit(atoi(argument_of("exit")));
    if (!tell_lies(id, n))
        return;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *record = payload + 8 + (size_t)i * RECORD;
        int32_t key = (int32_t)get32(record + 28);
        int32_t value = (int32_t)get32(record + 32);
        bytes += key > 0 ? key : 0;
        if (!some || i < (uint32_t)atoi(some))
            answer_record(i, bytes, value);
        bytes += (value > 0 ? (uint32_t)value : 0) + get32(record + 36);
    }
    if (argument_of("then-hang")) {
        send_frame(RESULT, 0, id, result, result_size);
        for (;;)
            pause();
    }
    send_frame(RESULT, 1, id, result, result_size);
}

/* --- The session -------------------------------------------------------- */

static void
be_ready(void)
{
    const char *ready = argument_of("ready");
    if (argument_of("silent"))
        for (;;)
            pause();
    if (argument_of("die-at-start")) {
        fprintf(stderr, "no model here\n");
        exit(atoi(argument_of("die-at-start")));
    }
    if (argument_of("fatal")) {
        send_text(FATAL, "there\nis no model");
        exit(0);
    }
    send_text(READY, ready ? ready
                           : "{\"proto\":1,\"minor\":0,\"sdk\":\"fake\","
                             "\"name\":\"f\",\"concurrency\":1}");
    for (int i = 0; argument_of("print") && i < 500; i++)
        printf("line %d, which must not get into the channel\n", i);
    fflush(stdout);
}

static void
serve_session(void)
{
    static uint8_t payload[MOST];
    for (;;) {
        uint8_t head[HEAD];
        read_all(head, HEAD);
        uint32_t size = get32(head);
        read_all(payload, size);
        uint64_t id = get32(head + 8) | (uint64_t)get32(head + 12) << 32;
        if (head[4] == 1)
            be_ready();
        else if (head[4] == BATCH)
            answer_batch(id, payload);
        else if (head[4] == DRAIN && !argument_of("never-end")) {
            send_text(BYE, "");
            return;
        }
    }
}

static void
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    if (bind(listener, (void *)&address, sizeof address) < 0 ||
        listen(listener, 4) < 0)
        exit(1);
    channel = accept(listener, NULL, NULL);
}

int
main(int argc, char **argv)
{
    n_words = argc;
    words = argv;
    if (argument_of("listen"))
        listen_at(argument_of("listen"));
    else if (!getenv("KABRIDGE_WORKER_FD"))
        return 64;
    if (argument_of("ignore-term"))
        signal(SIGTERM, SIG_IGN);
    serve_session();
    return 0;
}
