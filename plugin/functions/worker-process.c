/* SPDX-License-Identifier: Apache-2.0 */
/* See worker-process.h.
 *
 * posix_spawn() cannot set the parent-death signal; the child must request it
 * itself before it runs the command. So this forks, and the child calls only
 * functions that are safe after fork() in a threaded process.
 */
#include "worker-process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 4096,
    CHANNEL_FD = 3, /* in the child; KABRIDGE_WORKER_FD names it */
    REPORT_FD = 4,  /* carries errno if the command cannot be run */
};

/* --- Start ------------------------------------------------------------- */

/* Pipes between this process and the child. */
typedef struct {
    int output[2], errors[2], report[2];
} Pipes;

static void
close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static void
close_pipes(Pipes *pipes)
{
    close_pair(pipes->output);
    close_pair(pipes->errors);
    close_pair(pipes->report);
}

static bool
open_pipes(Pipes *pipes)
{
    *pipes = (Pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->output, O_CLOEXEC) == 0 &&
        pipe2(pipes->errors, O_CLOEXEC) == 0 &&
        pipe2(pipes->report, O_CLOEXEC) == 0)
        return true;
    close_pipes(pipes);
    return false;
}

/* In the child: duplicates fd above the numbers reserved for the command. */
static int
lift_fd(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 16);
}

static bool
arrange_descriptors(const Pipes *pipes, int channel)
{
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int from[] = {lift_fd(input), lift_fd(pipes->output[1]),
                  lift_fd(pipes->errors[1]), lift_fd(channel),
                  lift_fd(pipes->report[1])};
    for (int to = 0; to < (int)G_N_ELEMENTS(from); to++)
        if (from[to] < 0 || dup2(from[to], to) < 0)
            return false;
    /* Sets close-on-exec on descriptors that libraries left open. */
    return syscall(SYS_close_range, REPORT_FD, ~0u, 1u << 2) == 0;
}

static void
reset_signals(void)
{
    sigset_t none;
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs in the child. Never returns. */
static void
run_command(const Pipes *pipes,
            int channel,
            pid_t parent,
            char *const *command,
            char *const *environment)
{
    setpgid(0, 0);
    /* The parent may have died before the child asked for the signal. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
        arrange_descriptors(pipes, channel)) {
        reset_signals();
        execvpe(command[0], command, environment);
    }
    int error = errno;
    ssize_t ignored = write(REPORT_FD, &error, sizeof error);
    _exit(ignored == sizeof error ? 127 : 126);
}

/* Waits until the child runs the command. Returns 0, or the child's errno. */
static int
await_command(int report)
{
    int error = 0;
    ssize_t got;
    do
        got = read(report, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == sizeof error ? error : 0;
}

static void
open_stream(WorkerStream *stream, int fd)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *stream = (WorkerStream){.fd = fd, .line = g_string_new(NULL)};
}

bool
worker_process_start(WorkerProcess *process,
                     char *const *command,
                     char *const *environment,
                     int channel,
                     int *ret_errno)
{
    Pipes pipes;
    pid_t parent = getpid();
    bool is_open = open_pipes(&pipes);
    pid_t pid = is_open ? fork() : -1;
    if (pid == 0)
        run_command(&pipes, channel, parent, command, environment);
    int error = errno;
    close(channel);
    if (pid < 0) {
        *ret_errno = error;
        if (is_open)
            close_pipes(&pipes);
        return false;
    }
    close(pipes.report[1]);
    pipes.report[1] = -1;
    error = await_command(pipes.report[0]);
    int pid_fd = error ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    /* Without it nobody would notice that the command has ended. */
    if (!error && pid_fd < 0) {
        error = errno;
        kill(pid, SIGKILL);
    }
    if (error) {
        waitpid(pid, NULL, 0);
        close_pipes(&pipes);
        *ret_errno = error;
        return false;
    }
    open_stream(&process->output, pipes.output[0]);
    open_stream(&process->errors, pipes.errors[0]);
    pipes.output[0] = pipes.errors[0] = -1;
    close_pipes(&pipes);
    process->pid = pid;
    process->pid_fd = pid_fd;
    process->tail = g_string_new(NULL);
    return true;
}

/* --- End --------------------------------------------------------------- */

void
worker_process_signal(const WorkerProcess *process, int number)
{
    if (process->pid)
        kill(-process->pid, number);
}

char *
worker_process_dup_end(WorkerProcess *process, int *ret_exit)
{
    siginfo_t info = {0};
    /* The process group's number is not reused before its leader is reaped. */
    waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT);
    kill(-process->pid, SIGKILL);
    waitpid(process->pid, NULL, 0);
    process->pid = 0;
    *ret_exit = info.si_code == CLD_EXITED ? info.si_status : -1;
    if (info.si_code == CLD_EXITED)
        return g_strdup_printf("exited with status %d", info.si_status);
    const char *name = sigdescr_np(info.si_status);
    return g_strdup_printf("was killed by signal %d (%s)", info.si_status,
                           name ? name : "unknown");
}

static void
clear_stream(WorkerStream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->line)
        g_string_free(stream->line, TRUE);
    *stream = (WorkerStream){.fd = -1};
}

void
worker_process_clear(WorkerProcess *process)
{
    clear_stream(&process->output);
    clear_stream(&process->errors);
    if (process->pid_fd >= 0)
        close(process->pid_fd);
    if (process->tail)
        g_string_free(process->tail, TRUE);
    *process = (WorkerProcess)WORKER_PROCESS_NONE;
}

/* --- Output ------------------------------------------------------------ */

static void
end_line(WorkerStream *stream,
         void (*on_line)(void *user, const char *line),
         void *user)
{
    if (stream->line->len) {
        char *text =
            g_utf8_make_valid(stream->line->str, (gssize)stream->line->len);
        on_line(user, text);
        g_free(text);
    }
    g_string_truncate(stream->line, 0);
}

static void
add_byte(WorkerStream *stream,
         char byte,
         void (*on_line)(void *user, const char *line),
         void *user)
{
    if (byte == '\n') {
        if (!stream->is_skipping)
            end_line(stream, on_line, user);
        stream->is_skipping = false;
    } else if (!stream->is_skipping && byte != '\r') {
        g_string_append_c(stream->line, byte);
        stream->is_skipping = stream->line->len >= LINE_MAX_BYTES;
        if (stream->is_skipping)
            end_line(stream, on_line, user);
    }
}

static void
keep_tail(GString *tail, const char *bytes, size_t n)
{
    g_string_append_len(tail, bytes, (gssize)n);
    if (tail->len > WORKER_TAIL_SIZE)
        g_string_erase(tail, 0, (gssize)(tail->len - WORKER_TAIL_SIZE));
}

bool
worker_stream_read(WorkerStream *stream,
                   GString *tail,
                   void (*on_line)(void *user, const char *line),
                   void *user)
{
    char bytes[4096];
    /* Bounded: a worker that prints without end must not occupy the thread. */
    for (int turn = 0; turn < 16; turn++) {
        ssize_t got = read(stream->fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            if (!stream->is_skipping)
                end_line(stream, on_line, user);
            return false;
        }
        for (ssize_t i = 0; i < got; i++)
            add_byte(stream, bytes[i], on_line, user);
        if (tail)
            keep_tail(tail, bytes, (size_t)got);
    }
    return true;
}

void
worker_text_tame(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

char *
worker_process_dup_tail(const WorkerProcess *process)
{
    if (!process->tail)
        return g_strdup("");
    char *text =
        g_utf8_make_valid(process->tail->str, (gssize)process->tail->len);
    worker_text_tame(text);
    return g_strstrip(text);
}
