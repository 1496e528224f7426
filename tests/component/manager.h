/* SPDX-License-Identifier: Apache-2.0 */
/* A fake service manager: the socket at which a process under test reports. A
 * thread reads it, because a report blocks when ten of them wait. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include <gio/gio.h>

typedef struct {
    GSocket *socket;
    char *path;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t has_report;
    GString *reports;
} Manager;

/* Listens in the directory, and sets the environment of the processes that are
 * started from now on, with a watchdog of that time. */
bool manager_listen(Manager *manager,
                    const char *directory,
                    const char *watchdog_us);
/* Processes that are started from now on do not report. */
void manager_hide(void);
/* Waits for a report that contains this text, and drops the reports so far. */
bool manager_is_told(Manager *manager, const char *text);
/* Drops what was reported so far. */
void manager_forget(Manager *manager);
void manager_clear(Manager *manager);

/* Is the command built to report to a service manager? */
extern const bool manager_is_known;
