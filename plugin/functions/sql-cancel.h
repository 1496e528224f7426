/* SPDX-License-Identifier: Apache-2.0 */
/* Asks PostgreSQL to cancel statements that are no longer needed.
 *
 * libpq needs a separate connection and an unbounded wait for this, so a thread
 * of its own does it.
 */
#pragma once

#include <libpq-fe.h>

#include "sql-link.h"

/* Returns a new one; NULL: the thread could not be started. */
SqlCanceller *sql_canceller_new(void);
/* Takes cancel. A late cancel is useless, so with too many queued it is
 * dropped. Thread: any. */
void sql_canceller_add(SqlCanceller *canceller, PGcancel *cancel);
/* Waits a moment for the thread, but abandons one that is inside libpq. */
void sql_canceller_free(SqlCanceller *canceller);
