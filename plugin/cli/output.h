/* SPDX-License-Identifier: Apache-2.0 */
/* What was printed has to arrive: a full disk is not the user's to find. */
#pragma once

/* Writes what standard output still holds. If it, or anything before, could
 * not be written: says so and leaves the process, with status, or with 69
 * where that is 0. A pipe that nobody reads any more is no fault. */
void kab_output_end(int status);
