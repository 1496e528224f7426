/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the command, for a bridge.
 *
 *   SIGTERM, SIGINT   drain and exit; the second one: exit at once
 *   SIGHUP            reload the file
 *   SIGUSR1           log the state of every binding
 *
 * Made and freed by the thread that runs the bridge. A thread of its own
 * receives the signals, so a second SIGTERM ends even a process whose other
 * threads hang.
 */
#pragma once

#include "bridge.h"

typedef struct KabSignals KabSignals;

/* If the reader of one of our pipes goes away (a log collector, a worker), the
 * write fails and the process lives on. Call before any thread starts. */
void kab_signals_ignore_pipe(void);

/* Borrows the bridge. on_stop: called once, at the first stop, on the signals'
 * thread. */
KabSignals *kab_signals_new(KabBridge *bridge, void (*on_stop)(void));
/* Number of SIGTERM and SIGINT received. Thread: any. */
unsigned kab_signals_n_stops(const KabSignals *signals);
void kab_signals_free(KabSignals *signals);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSignals, kab_signals_free)
