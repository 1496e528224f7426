/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib.h>

/* Checks the descriptor, because the errno of an earlier write is not known. */
static bool
is_abandoned_pipe(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};
    return poll(&state, 1, 0) == 1 && (state.revents & POLLERR);
}

void
kab_output_end(int status)
{
    errno = 0;
    bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    int fault = errno;
    if (is_written || is_abandoned_pipe(STDOUT_FILENO))
        return;
    fprintf(stderr, "kabridge: cannot write to standard output: %s\n",
            fault ? g_strerror(fault)
                  : "a part of what was printed is missing");
    fflush(stderr);
    _exit(status ? status : EX_UNAVAILABLE);
}
