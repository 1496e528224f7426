/* SPDX-License-Identifier: Apache-2.0 */
#include "elf-check.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

typedef struct {
    int fd;
    uint64_t size;
} File;

static bool
read_at(const File *file, uint64_t offset, void *to, size_t len)
{
    if (offset > file->size || len > file->size - offset)
        return false;
    return pread(file->fd, to, len, (off_t)offset) == (ssize_t)len;
}

static bool
has_room(const File *file, uint64_t offset, uint64_t len)
{
    return offset <= file->size && len <= file->size - offset;
}

static bool
has_segments(const File *file, const ElfW(Ehdr) * head)
{
    for (unsigned i = 0; i < head->e_phnum; i++) {
        ElfW(Phdr) segment;
        uint64_t at = head->e_phoff + (uint64_t)i * head->e_phentsize;
        if (!read_at(file, at, &segment, sizeof segment) ||
            !has_room(file, segment.p_offset, segment.p_filesz))
            return false;
    }
    return true;
}

static bool
is_whole(const File *file, const ElfW(Ehdr) * head)
{
    uint64_t sections = (uint64_t)head->e_shnum * head->e_shentsize;
    return head->e_phnum && head->e_phentsize == sizeof(ElfW(Phdr)) &&
           has_segments(file, head) && has_room(file, head->e_shoff, sections);
}

static const char *
find_problem(const File *file)
{
    ElfW(Ehdr) head;
    if (!file->size)
        return "which is empty";
    if (!read_at(file, 0, &head, sizeof head) ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return "which is no shared object";
    if (head.e_ident[EI_CLASS] !=
        (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
        return "which is built for another kind of machine";
    return is_whole(file, &head) ? NULL : "which is cut off";
}

static const char *
kind_problem(const struct stat *status)
{
    if (S_ISDIR(status->st_mode))
        return "which is a directory";
    return S_ISREG(status->st_mode) ? NULL : "which is no regular file";
}

/* Non-blocking, because the path may be a pipe without a peer, or a device. */
const char *
kab_elf_problem(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? "which does not exist"
                               : "which cannot be read";
    const char *problem =
        fstat(fd, &status) < 0 ? "which cannot be read" : kind_problem(&status);
    if (!problem)
        problem = find_problem(&(File){fd, (uint64_t)status.st_size});
    close(fd);
    return problem;
}
