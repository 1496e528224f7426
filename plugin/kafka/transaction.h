/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking client calls of a transaction.
 */
#pragma once

#include "producer-client.h"

KabDone kab_transaction_begin(KabClient *client);
/* Sends the offsets and commits; aborts if either is refused. Every delivery
 * report of the transaction must have been served. */
KabDone kab_transaction_end(KabClient *client, const KabClientOffsets *offsets);
KabDone kab_transaction_abort(KabClient *client);
