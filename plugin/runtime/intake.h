/* SPDX-License-Identifier: Apache-2.0 */
/* Watches for partitions that have lag but deliver no records.
 *
 * The engine finds stalls among the records it holds, but does not know where a
 * partition ends. A partition that delivers no records is found here.
 * Thread: the loop of the binding.
 */
#pragma once

#include "binding.h"

typedef struct KabIntake KabIntake;

KabIntake *kab_intake_new(void);
void kab_intake_free(KabIntake *intake);

/* Records the current position of each partition. */
void kab_intake_look(KabIntake *intake,
                     const KabBindingSnapshot *snapshot,
                     int64_t timeout_us,
                     int64_t now);
/* Finds a partition that has delivered nothing for the time-out, as of the last
 * look. False: there is none. The topic is borrowed until the next look. */
bool kab_intake_find_stall(const KabIntake *intake,
                           int64_t now,
                           KabStall *ret_stall);
