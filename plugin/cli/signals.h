/* SPDX-License-Identifier: Apache-2.0 */
/* Signals of the command, for a bridge.
 *
 *   SIGTERM, SIGINT   drain and leave; the second one: leave at once
 *   SIGHUP            read the file again
 *   SIGUSR1           log the state of every binding
 *
 * Made and freed by the thread that runs the bridge; a thread of its own
 * hears the signals, so the second SIGTERM also ends a process whose other
 * threads hang.
 */
#pragma once

#include "bridge.h"

typedef struct KabSignals KabSignals;

/* Borrows the bridge. on_stop: called once, at the first stop; thread: the
 * signals'. */
KabSignals *kab_signals_new(KabBridge *bridge, void (*on_stop)(void));
/* How many SIGTERM and SIGINT came. Thread: any. */
unsigned kab_signals_n_stops(const KabSignals *signals);
void kab_signals_free(KabSignals *signals);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(KabSignals, kab_signals_free)
