/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a target over every file of a corpus, each also cut short at many
 * lengths and with a byte changed. usage: PROGRAM DIRECTORY; exit status 0.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

/* At most this many cuts and changes of one file. */
enum { STEPS = 60 };

/* A copy in a block of its own size, so that a sanitizer sees each byte too
 * many. */
static void
run(const char *bytes, size_t size)
{
    uint8_t *copy = malloc(size);
    if (size)
        memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* At each place, one of the changes in turn. */
static void
run_changed(char *bytes, size_t size)
{
    static const char changes[] = {'\0', '\n', '=', '[', '$', '\xff'};
    size_t step = MAX(1, size / STEPS), n = 0;
    for (size_t at = 0; at < size; at += step) {
        char kept = bytes[at];
        run(bytes, at);
        bytes[at] = changes[n++ % sizeof changes];
        run(bytes, size);
        bytes[at] = kept;
    }
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) corpus = argc == 2 ? g_dir_open(argv[1], 0, &error) : NULL;
    const char *name;
    unsigned n = 0;
    while (corpus && (name = g_dir_read_name(corpus))) {
        g_autofree char *path = g_build_filename(argv[1], name, NULL);
        g_autofree char *bytes = NULL;
        size_t size;
        if (!g_file_get_contents(path, &bytes, &size, &error))
            break;
        run(bytes, size);
        run_changed(bytes, size);
        n++;
    }
    if (error || !n) {
        fprintf(stderr, "no corpus: %s\n", error ? error->message : "usage");
        return 1;
    }
    printf("%u files\n", n);
    return 0;
}
