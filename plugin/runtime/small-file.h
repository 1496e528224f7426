/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a small file with a size limit, because the path may be a device or a
 * pipe that never ends. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* Limit for a configuration, and for each file that it includes. */
enum { KAB_SMALL_FILE_BYTES = 1024 * 1024 };

/* Returns the content as a new NUL-terminated string. NULL: the file cannot be
 * read, or exceeds KAB_SMALL_FILE_BYTES; the message says which. */
char *kab_small_file_read(const char *path, size_t *ret_len, GError **error);
