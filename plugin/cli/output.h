/* SPDX-License-Identifier: Apache-2.0 */
/* Makes sure that the output was written: a full disk must not go unnoticed. */
#pragma once

/* Flushes standard output. If that or any earlier write failed, prints an error
 * and exits with status, or with 69 if status is 0. A pipe whose reader is gone
 * is no error. */
void kab_output_end(int status);
