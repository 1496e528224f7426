/* SPDX-License-Identifier: Apache-2.0 */
/* An opened function: its context, its handle, its limits.
 *
 *   open -> process() ... by an executor -> close
 *
 * open() and close() of a function may take as long as they like: neither is
 * called on a thread that others wait for.
 */
#pragma once

#include "configuration.h"
#include "context.h"

/* Made by kab_instance_open(), freed by kab_instance_close(). Constant in
 * between, except for what the context guards with its lock.
 */
typedef struct {
    const KabFunction *function; /* borrowed */
    KabContext *context;
    void *handle; /* set by the function's open() */
} KabInstance;

/* Borrows settings and function until kab_instance_close(). Returns a new
 * instance, or NULL with KAB_ERROR_CONFIG if the function does not open.
 * Thread: any. */
KabInstance *kab_instance_open(const KabBindingSettings *settings,
                               const KabFunction *function,
                               GError **error);
/* Call when no call is out any more. Thread: any. */
void kab_instance_close(KabInstance *instance);

/* Lowers the options to the function's ceilings, and max.in.flight to what
 * open() was told. Thread: any. */
void kab_instance_limit(const KabInstance *instance, KabEngineOptions *options);
