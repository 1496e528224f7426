/* SPDX-License-Identifier: Apache-2.0 */
/* The client calls of a transaction that block.
 *
 * Thread: the client's, for everything here.
 */
#pragma once

#include "producer-client.h"

KabDone kab_transaction_begin(KabClient *client);
/* Sends the offsets, commits; aborts if that is refused. Every report of the
 * transaction must have been served. */
KabDone kab_transaction_end(KabClient *client, const KabClientOffsets *offsets);
KabDone kab_transaction_abort(KabClient *client);
