/* SPDX-License-Identifier: Apache-2.0 */
/* Are there enough descriptors and threads for this many bindings?
 *
 * Checked before anything starts: GLib aborts the process if a loop gets no
 * descriptor or a pool no thread, and librdkafka stops receiving wake-ups.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

/* n_pool_threads: threads of all bindings' functions together. False with
 * KAB_ERROR_UNAVAILABLE: the message tells what is available and what is
 * needed. */
bool kab_process_limits_check(unsigned n_bindings,
                              uint64_t n_pool_threads,
                              GError **error);
