/* SPDX-License-Identifier: Apache-2.0 */
/* Is a file a complete shared object?
 *
 * dlopen() maps what the file's headers promise and reads it later. If the file
 * was truncated, reading a page beyond its end kills the process with SIGBUS.
 * So the size that the headers promise is first compared with the size of the
 * file.
 */
#pragma once

#include <stdbool.h>

/* NULL: the file is complete. Otherwise a static phrase that says what is
 * wrong, e.g. "which is empty". */
const char *kab_elf_problem(const char *path);
