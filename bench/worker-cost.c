/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of the function "worker", compared with a bare echo over a socket.
 *
 *     worker-cost ECHO BARE [SECONDS]
 *
 * "At most" is the rate that the CPU time of the busier side allows if each
 * side has a CPU of its own; on a busy machine the measured rate itself says
 * little.
 *
 * ECHO is a command that answers each record with its value; BARE is one that
 * sends back the bytes it gets on descriptor 3, whatever they are. Both get the
 * same number of bytes, two batches at a time.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker-rig.h"

enum { OUTSTANDING = 2 };

typedef struct {
    size_t n, size;
    const char *name;
} Shape;

static double
seconds_now(void)
{
    return (double)g_get_monotonic_time() / 1e6;
}

static double
cpu_of(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
print_row(const char *what,
          const Shape *shape,
          uint64_t batches,
          double took,
          double host_cpu,
          double worker_cpu)
{
    double records = (double)batches * (double)shape->n;
    double busier = MAX(host_cpu, worker_cpu);
    printf("%-10s %-12s %8.0f batches/s %9.0f records/s %6.3f GB/s each way; "
           "µs CPU/record: %6.2f here, %6.2f there; at most %9.0f records/s\n",
           what, shape->name, (double)batches / took, records / took,
           records * (double)shape->size / took / 1e9, host_cpu * 1e6 / records,
           worker_cpu * 1e6 / records, records / busier);
    fflush(stdout);
}

/* --- Through the function ---------------------------------------------- */

static void
check_answer(const WorkerCall *call)
{
    for (size_t i = 0; i < call->attempt.n; i++)
        if (call->answer.failed || call->results[i].n_products != 1) {
            fprintf(stderr, "worker-cost: a batch failed: %s\n",
                    call->reason ? call->reason : "no outputs");
            exit(1);
        }
}

static void
run_function(const char *command, const Shape *shape, double seconds)
{
    const KabOptionText text = {"command", command};
    char *failure = NULL;
    WorkerRig *rig = worker_rig_new(&text, 1, &failure);
    if (!rig) {
        fprintf(stderr, "worker-cost: %s\n", failure);
        exit(1);
    }
    WorkerCall *calls[OUTSTANDING];
    for (int i = 0; i < OUTSTANDING; i++) {
        calls[i] = worker_rig_call(rig, shape->n, shape->size, 0);
        if (!worker_rig_wait(rig, calls[i]))
            exit(1);
    }
    for (int i = 0; i < OUTSTANDING; i++)
        worker_rig_call_again(rig, calls[i]);
    uint64_t batches = 0;
    double begin = seconds_now(), cpu = cpu_of(RUSAGE_SELF), end = begin;
    while (end - begin < seconds) {
        worker_rig_serve(rig, 1000);
        for (int i = 0; i < OUTSTANDING; i++) {
            if (!calls[i]->is_answered)
                continue;
            check_answer(calls[i]);
            batches++;
            worker_rig_call_again(rig, calls[i]);
        }
        end = seconds_now();
    }
    cpu = cpu_of(RUSAGE_SELF) - cpu;
    double children = cpu_of(RUSAGE_CHILDREN);
    for (int i = 0; i < OUTSTANDING; i++)
        worker_rig_wait(rig, calls[i]);
    worker_rig_free(rig);
    print_row("worker", shape, batches, end - begin, cpu,
              cpu_of(RUSAGE_CHILDREN) - children);
}

/* --- A bare socket ------------------------------------------------------ */

static pid_t
start_bare(const char *command, int *ret_fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        int channel = fcntl(pair[1], F_DUPFD, 10); /* may be 3 already */
        dup2(channel, 3);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    *ret_fd = pair[0];
    return pid;
}

typedef struct {
    int fd;
    uint64_t sent, got;
} Bare;

/* Keeps `ahead` bytes in flight; returns how many came back. */
static uint64_t
pump_bytes(Bare *bare, char *bytes, size_t ahead, double seconds)
{
    uint64_t before = bare->got;
    double end = seconds_now() + seconds;
    while (seconds_now() < end) {
        uint64_t out = bare->sent - bare->got;
        bool may_send = out < ahead;
        struct pollfd pollfd = {.fd = bare->fd,
                                .events =
                                    (short)(POLLIN | (may_send ? POLLOUT : 0))};
        poll(&pollfd, 1, 1000);
        if (pollfd.revents & POLLOUT) {
            ssize_t n = send(bare->fd, bytes, ahead - (size_t)out,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
            bare->sent += n > 0 ? (uint64_t)n : 0;
        }
        if (pollfd.revents & POLLIN) {
            ssize_t n = recv(bare->fd, bytes, ahead, MSG_DONTWAIT);
            if (n == 0)
                exit(1);
            bare->got += n > 0 ? (uint64_t)n : 0;
        }
    }
    return bare->got - before;
}

static void
run_bare(const char *command, const Shape *shape, double seconds)
{
    Bare bare = {0};
    pid_t pid = start_bare(command, &bare.fd);
    size_t batch = shape->n * shape->size;
    char *bytes = g_malloc0(batch * OUTSTANDING);
    pump_bytes(&bare, bytes, batch * OUTSTANDING, 0.3); /* warm-up */
    double begin = seconds_now(), cpu = cpu_of(RUSAGE_SELF);
    uint64_t got = pump_bytes(&bare, bytes, batch * OUTSTANDING, seconds);
    double took = seconds_now() - begin;
    cpu = cpu_of(RUSAGE_SELF) - cpu;
    double children = cpu_of(RUSAGE_CHILDREN);
    close(bare.fd);
    waitpid(pid, NULL, 0);
    print_row("bare echo", shape, got / batch, took, cpu,
              cpu_of(RUSAGE_CHILDREN) - children);
    g_free(bytes);
}

int
main(int argc, char **argv)
{
    static const Shape shapes[] = {
        {64, 200, "64 x 200 B"},
        {64, 4096, "64 x 4 KiB"},
        {32, 150000, "32 x 150 KB"},
        {1, 200, "1 x 200 B"},
    };
    if (argc < 3) {
        fprintf(stderr, "usage: worker-cost ECHO BARE [SECONDS]\n");
        return 64;
    }
    double seconds = argc > 3 ? g_ascii_strtod(argv[3], NULL) : 3;
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        run_bare(argv[2], &shapes[i], seconds);
        run_function(argv[1], &shapes[i], seconds);
    }
    return 0;
}
