/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target: any bytes, no crash. Linked with libFuzzer (make fuzz), or
 * with driver.c, which runs the files of a corpus (make check).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
