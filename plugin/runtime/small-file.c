/* SPDX-License-Identifier: Apache-2.0 */
#include "small-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool
set_error(GError **error, int cause)
{
    g_set_error_literal(error, G_FILE_ERROR,
                        (int)g_file_error_from_errno(cause), g_strerror(cause));
    return false;
}

/* Reads one byte more than allowed, to notice that the file is too large. */
static bool
read_all(int fd, GString *content, GError **error)
{
    char part[16 * 1024];
    while (content->len <= KAB_SMALL_FILE_BYTES) {
        ssize_t n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return set_error(error, errno);
        if (n == 0)
            return true;
        g_string_append_len(content, part, n);
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                "it has more than %d bytes", KAB_SMALL_FILE_BYTES);
    return false;
}

char *
kab_small_file_read(const char *path, size_t *ret_len, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        set_error(error, errno);
        return NULL;
    }
    g_autoptr(GString) content = g_string_new(NULL);
    bool is_read = read_all(fd, content, error);
    close(fd);
    if (!is_read)
        return NULL;
    *ret_len = content->len;
    return g_string_free(g_steal_pointer(&content), FALSE);
}
