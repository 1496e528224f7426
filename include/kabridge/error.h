/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the embedding API: a GError domain. Each code tells the caller what
 * to do next. */
#pragma once

#include <glib.h>

#include <kabridge/function.h>

G_BEGIN_DECLS

#define KAB_ERROR (kab_error_quark())

typedef enum {
    /* Fault in the configuration, in a module or in function options, or a
     * second process with the same transactional id: fix it and start again
     * (exit 78). The message lists the faults, one per line. */
    KAB_ERROR_CONFIG,
    /* Wrong arguments of a command or of kab_config_set() (exit 64). */
    KAB_ERROR_USAGE,
    /* A binding stopped by itself (on.failure, authorisation, a missing topic),
     * or the admin port is taken (exit 69). */
    KAB_ERROR_UNAVAILABLE,
    /* The bridge stopped, but some work was not finished in time and clients
     * were leaked: exit the process (exit 75). */
    KAB_ERROR_UNFINISHED,
    KAB_ERROR_INTERNAL, /* exit 70 */
} KabError;

KAB_API GQuark kab_error_quark(void);

/* The exit status that the kabridge command uses for an error; 0 for NULL. */
KAB_API int kab_error_exit_status(const GError *error);

G_END_DECLS
