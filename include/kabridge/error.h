/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the embedding API: a GError domain whose codes say what to do. */
#pragma once

#include <glib.h>

#include <kabridge/function.h>

G_BEGIN_DECLS

#define KAB_ERROR (kab_error_quark())

typedef enum {
    /* Configuration, module or function options, or a second process with
     * the same transactional id: fix and start again (exit 78). The message
     * has a line a fault. */
    KAB_ERROR_CONFIG,
    /* The words of a command or of kab_config_set() (exit 64). */
    KAB_ERROR_USAGE,
    /* A binding stopped by itself: on.failure, authorisation, a missing
     * topic; or a port that is taken (exit 69). */
    KAB_ERROR_UNAVAILABLE,
    /* Stopped, but something was not finished in time; the clients were
     * leaked, leave the process (exit 75). */
    KAB_ERROR_UNFINISHED,
    KAB_ERROR_INTERNAL, /* exit 70 */
} KabError;

KAB_API GQuark kab_error_quark(void);

/* The command's exit status for an error; 0 for NULL. */
KAB_API int kab_error_exit_status(const GError *error);

G_END_DECLS
