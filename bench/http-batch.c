/* SPDX-License-Identifier: Apache-2.0 */
/* The function "http" against a server that takes 5 ms plus 50 us per record:
 * records per second compared with the ideal, and CPU time per record, for
 * batches of 64 records of 200 bytes and 4 calls in flight. For comparison, the
 * bare tool: libcurl's easy interface in 4 threads with a prepared request.
 *
 * The two take turns, and the medians of the rounds are printed, so that what
 * else the machine does falls on both. The server is a separate process, so its
 * CPU time is not counted; it tells how long its calls took indeed, because a
 * sleep is never shorter than asked for.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>
#include <glib.h>

#include "context.h"
#include "executor.h"

enum {
    N_RECORDS = 64,
    RECORD_BYTES = 200,
    N_CALLS = 4,
    N_ROUNDS = 7,
    N_CALLS_A_ROUND = 600,
    BASE_US = 5000,
    PER_RECORD_US = 50,
    ROOM = 64 * 1024,
};

extern const KabFunction kab_function;

typedef enum { BARE, FUNCTION, N_CLIENTS } Client;

/* What the server counts, in memory shared with it. */
typedef struct {
    atomic_int client;
    atomic_int n_open; /* connections */
    atomic_int max_open[N_CLIENTS];
    atomic_llong n_calls[N_CLIENTS], us[N_CLIENTS];
} Served;

static Served *served;

/* The server. */

static void
sleep_until(struct timespec *until, long us)
{
    until->tv_nsec += us * 1000;
    until->tv_sec += until->tv_nsec / 1000000000;
    until->tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, until, NULL);
}

/* The length of the request's body; its head ends at *ret_head. 0: not complete
 * yet. */
static size_t
find_body(char *text, size_t len, size_t *ret_head)
{
    text[len] = '\0';
    char *end = strstr(text, "\r\n\r\n");
    char *length = strcasestr(text, "content-length:");
    if (!end || !length)
        return 0;
    *ret_head = (size_t)(end + 4 - text);
    size_t n = strtoul(length + 15, NULL, 10);
    return len >= *ret_head + n ? n : 0;
}

static void
count_call(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    served->us[served->client] += (now.tv_sec - from->tv_sec) * 1000000 +
                                  (now.tv_nsec - from->tv_nsec) / 1000;
    served->n_calls[served->client]++;
}

static void *
serve_connection(void *data)
{
    int fd = GPOINTER_TO_INT(data);
    prctl(PR_SET_TIMERSLACK, 1L, 0L, 0L, 0L);
    char *text = g_malloc(2 * ROOM), head[128];
    size_t len = 0;
    for (;;) {
        size_t head_len = 0, n = 0;
        ssize_t got = read(fd, text + len, ROOM - len - 1);
        struct timespec now, from;
        clock_gettime(CLOCK_MONOTONIC, &now);
        from = now;
        if (got <= 0)
            break;
        len += (size_t)got;
        n = find_body(text, len, &head_len);
        if (n == 0)
            continue;
        sleep_until(&now, BASE_US + PER_RECORD_US * N_RECORDS);
        int head_n = snprintf(head, sizeof head,
                              "HTTP/1.1 200 OK\r\nContent-Type: "
                              "application/json\r\nContent-Length: %zu\r\n\r\n",
                              n);
        char *reply = text + head_len - head_n;
        memcpy(reply, head, (size_t)head_n);
        count_call(&from);
        if (write(fd, reply, (size_t)head_n + n) < 0)
            break;
        len = 0;
    }
    g_free(text);
    close(fd);
    served->n_open--;
    return NULL;
}

static void
run_server(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        int n = ++served->n_open;
        atomic_int *max = &served->max_open[served->client];
        *max = MAX(*max, n);
        pthread_t thread;
        pthread_create(&thread, NULL, serve_connection, GINT_TO_POINTER(fd));
        pthread_detach(thread);
    }
}

static pid_t
start_server(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 ||
        listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        abort();
    *ret_port = ntohs(address.sin_port);
    pid_t pid = fork();
    if (pid == 0)
        run_server(listener);
    close(listener);
    return pid;
}

/* Measuring. */

static double
cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* One round. */
typedef struct {
    double rate, cpu_us; /* records per second, CPU time per record */
} Round;

typedef struct {
    double began_us, began_cpu_us;
} Watch;

static Watch
start_watch(void)
{
    return (Watch){(double)g_get_monotonic_time(), cpu_us()};
}

static Round
read_watch(const Watch *watch)
{
    double n = (double)N_CALLS_A_ROUND * N_RECORDS;
    double took_us = (double)g_get_monotonic_time() - watch->began_us;
    return (Round){n * 1e6 / took_us, (cpu_us() - watch->began_cpu_us) / n};
}

static int
compare_rates(const void *a, const void *b)
{
    double x = ((const Round *)a)->rate, y = ((const Round *)b)->rate;
    return x < y ? -1 : x > y;
}

/* The round of the median rate, and what the server had to do with it. */
static void
print_result(const char *name, Client client, Round *rounds)
{
    const double wanted_us = BASE_US + PER_RECORD_US * N_RECORDS;
    double ideal = N_CALLS * N_RECORDS * 1e6 / wanted_us;
    double call_us =
        (double)served->us[client] / (double)served->n_calls[client];
    qsort(rounds, N_ROUNDS, sizeof *rounds, compare_rates);
    const Round *middle = &rounds[N_ROUNDS / 2];
    printf("%-13s %8.0f records/s, %5.1f %% of the ideal, %5.1f %% of what "
           "the server's calls of %.3f ms allow; %5.2f us CPU a record; at "
           "most %d connections\n",
           name, middle->rate, middle->rate / ideal * 100,
           middle->rate / ideal * 100 * call_us / wanted_us, call_us / 1e3,
           middle->cpu_us, served->max_open[client]);
}

/* The next client starts when the last one's connections are closed. */
static void
announce(Client client)
{
    while (served->n_open > 0)
        g_usleep(1000);
    served->client = client;
}

/* Calls the function as a binding's loop does. */

typedef struct {
    KabMailbox *mailbox;
    KabExecutor *executor;
    KabRecord records[N_RECORDS];
    KabResult results[N_CALLS][N_RECORDS];
    void *messages[N_RECORDS];
    KabAttempt attempts[N_CALLS];
    unsigned n_called, n_answered;
} Rig;

static void
on_entered(void *user, KabAttempt *attempt, uint64_t serial, int64_t entered_us)
{
}

static void
on_answered(void *user,
            KabAttempt *attempt,
            uint64_t serial,
            const KabAnswer *answer)
{
    Rig *rig = user;
    if (answer->failed || attempt->results[0].outcome != KAB_OUTCOME_DONE)
        g_error("the call failed: %s", answer->reason);
    kab_executor_release(rig->executor, attempt);
    rig->n_answered++;
    if (rig->n_called == N_CALLS_A_ROUND)
        return;
    memset(attempt->results, 0, sizeof rig->results[0]);
    attempt->serial = ++rig->n_called;
    kab_executor_invoke(rig->executor, attempt);
}

static void
on_twice(void *user)
{
}

static size_t
no_headers(void *message, KabHeader *ret, size_t capacity)
{
    return 0;
}

static void
serve_rig(Rig *rig)
{
    while (rig->n_answered < N_CALLS_A_ROUND) {
        kab_mailbox_deliver(rig->mailbox, rig);
        if (!kab_mailbox_arm(rig->mailbox))
            continue;
        struct pollfd pollfd = {.fd = kab_mailbox_fd(rig->mailbox),
                                .events = POLLIN};
        if (rig->n_answered < N_CALLS_A_ROUND)
            poll(&pollfd, 1, -1);
        kab_mailbox_wake(rig->mailbox);
    }
}

static Round
measure_function(const char *url, const char *value)
{
    static const char *const topics[] = {"out", NULL};
    static const KabExecutorEvents events = {on_entered, on_answered, on_twice};
    const KabOptionText texts[] = {{"url", url}};
    KabContext *context =
        kab_context_new("b", &kab_function, texts, 1, N_CALLS);
    Rig *rig = g_new0(Rig, 1);
    void *instance;
    if (!kab_function.open(context, &instance))
        g_error("%s", kab_context_failure(context));
    rig->mailbox = kab_mailbox_new(NULL);
    kab_mailbox_wake(rig->mailbox);
    rig->executor =
        kab_executor_new(&(KabExecutorSetup){.binding = "b",
                                             .function = &kab_function,
                                             .instance = instance,
                                             .has_output_topic = true,
                                             .topics = topics,
                                             .get_headers = no_headers,
                                             .threads = 1,
                                             .mailbox = rig->mailbox,
                                             .events = &events,
                                             .user = rig});
    for (unsigned i = 0; i < N_RECORDS; i++)
        rig->records[i] =
            (KabRecord){.value = {value, RECORD_BYTES}, .topic = "in"};
    Watch watch = start_watch();
    for (unsigned i = 0; i < N_CALLS; i++) {
        rig->attempts[i] = (KabAttempt){.serial = ++rig->n_called,
                                        .n = N_RECORDS,
                                        .records = rig->records,
                                        .messages = rig->messages,
                                        .results = rig->results[i],
                                        .number = 1};
        kab_executor_invoke(rig->executor, &rig->attempts[i]);
    }
    serve_rig(rig);
    Round round = read_watch(&watch);
    kab_executor_free(rig->executor);
    kab_function.close(instance);
    kab_context_free(context);
    kab_mailbox_free(rig->mailbox);
    g_free(rig);
    return round;
}

/* The bare tool. */

typedef struct {
    const char *url, *body;
} Bare;

static size_t
ignore(char *bytes, size_t size, size_t n, void *user)
{
    return n;
}

static void *
run_bare(void *user)
{
    const Bare *bare = user;
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, bare->url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bare->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(bare->body));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    for (unsigned i = 0; i < N_CALLS_A_ROUND / N_CALLS; i++)
        if (curl_easy_perform(easy) != CURLE_OK)
            abort();
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return NULL;
}

static Round
measure_bare(const char *url, const char *value)
{
    GString *body = g_string_new("[");
    for (unsigned i = 0; i < N_RECORDS; i++)
        g_string_append_printf(body, "%s%s", i ? "," : "", value);
    g_string_append_c(body, ']');
    Bare bare = {url, body->str};
    pthread_t threads[N_CALLS];
    Watch watch = start_watch();
    for (unsigned i = 0; i < N_CALLS; i++)
        pthread_create(&threads[i], NULL, run_bare, &bare);
    for (unsigned i = 0; i < N_CALLS; i++)
        pthread_join(threads[i], NULL);
    Round round = read_watch(&watch);
    g_string_free(body, TRUE);
    return round;
}

int
main(void)
{
    int port;
    Round bare[N_ROUNDS], function[N_ROUNDS];
    served = mmap(NULL, sizeof *served, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (served == MAP_FAILED)
        abort();
    char value[RECORD_BYTES + 1];
    pid_t server = start_server(&port);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d/", port);
    memset(value, 'x', RECORD_BYTES);
    value[0] = value[RECORD_BYTES - 1] = '"';
    value[RECORD_BYTES] = '\0';
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (unsigned i = 0; i < N_ROUNDS; i++) {
        announce(BARE);
        bare[i] = measure_bare(url, value);
        announce(FUNCTION);
        function[i] = measure_function(url, value);
    }
    print_result("bare libcurl", BARE, bare);
    print_result("function http", FUNCTION, function);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
