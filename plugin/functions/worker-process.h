/* SPDX-License-Identifier: Apache-2.0 */
/* A child process: started without a shell, in its own process group, killed
 * with that group, its output read line by line.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

enum { WORKER_TAIL_SIZE = 512 };

/* Output of a child on one of its descriptors. */
typedef struct {
    int fd; /* -1: closed */
    GString *line;
    bool is_skipping; /* skipping the rest of an overlong line */
} WorkerStream;

typedef struct {
    pid_t pid;  /* 0: none */
    int pid_fd; /* readable when the process has ended; -1: none */
    WorkerStream output, errors;
    GString *tail; /* last bytes of standard error */
} WorkerProcess;

#define WORKER_PROCESS_NONE                                                    \
    {                                                                          \
        .pid_fd = -1, .output = {.fd = -1}, .errors = {.fd = -1 }              \
    }

/* Starts the command. Its channel is `channel`, which is closed in this
 * process. False: *ret_errno says why, and there is no process.
 *
 * The child dies with the thread that called this. */
bool worker_process_start(WorkerProcess *process,
                          char *const *command,
                          char *const *environment,
                          int channel,
                          int *ret_errno);

/* Sends a signal to the process group. */
void worker_process_signal(const WorkerProcess *process, int number);

/* Call when pid_fd is readable. Describes the end, e.g. "exited with status 3",
 * and kills the rest of the group. ret_exit: the status, -1 after a signal. */
char *worker_process_dup_end(WorkerProcess *process, int *ret_exit);

/* Frees the resources of an ended process. */
void worker_process_clear(WorkerProcess *process);

/* Reads available output; on_line gets each complete line. False: end of
 * output. */
bool worker_stream_read(WorkerStream *stream,
                        GString *tail,
                        void (*on_line)(void *user, const char *line),
                        void *user);

/* Makes a worker's text safe to show: control characters become blanks. */
void worker_text_tame(char *text);

/* The end of its standard error, as one line of text. */
char *worker_process_dup_tail(const WorkerProcess *process);
