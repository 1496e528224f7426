/* SPDX-License-Identifier: Apache-2.0 */
/* The cost of cutting a model server's answer into rows: 64 rows of 768 floats
 * are checked, walked, and each row verified to be a vector. Compared with
 * jansson, which parses the same text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "json-span.h"

enum { N_ROWS = 64, N_FLOATS = 768, N_TIMES = 200, ROOM = 1 << 20 };

static double
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static size_t
write_answer(char *text)
{
    char *to = text + sprintf(text, "{\"data\":[");
    srand(1);
    for (int i = 0; i < N_ROWS; i++) {
        to += sprintf(to, "%s{\"index\":%d,\"embedding\":", i ? "," : "", i);
        for (int j = 0; j < N_FLOATS; j++)
            to += sprintf(to, "%c%.10f", j ? ',' : '[',
                          (double)rand() / RAND_MAX - 0.5);
        to += sprintf(to, "]}");
    }
    to += sprintf(to, "]}");
    return (size_t)(to - text);
}

static void
slice_answer(const char *text, size_t len)
{
    KabSpan document, element;
    size_t n_rows = 0, n;
    if (!kab_json_check(text, len, KAB_JSON_NONFINITE, &document, NULL))
        abort();
    KabJsonIter iter = kab_json_iter(kab_json_find(document, "/data"));
    while (kab_json_next_element(&iter, &element)) {
        KabSpan row = kab_json_find(element, "/embedding");
        if (!kab_json_is_vector(row, &n) || n != N_FLOATS)
            abort();
        n_rows++;
    }
    if (n_rows != N_ROWS)
        abort();
}

static void
parse_answer(const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, 0, NULL);
    if (!json)
        abort();
    json_decref(json);
}

static double
time_best(void (*run)(const char *, size_t),
          const char *text,
          size_t len,
          int n_times)
{
    double best = 1e9;
    for (int i = 0; i < n_times; i++) {
        double from = now_ms();
        run(text, len);
        double took = now_ms() - from;
        best = took < best ? took : best;
    }
    return best;
}

int
main(void)
{
    char *text = malloc(ROOM);
    if (!text)
        abort();
    size_t len = write_answer(text);
    printf("an answer of %zu bytes, %d x %d floats\n", len, N_ROWS, N_FLOATS);
    printf("sliced   %6.2f ms\n", time_best(slice_answer, text, len, N_TIMES));
    printf("jansson  %6.2f ms\n",
           time_best(parse_answer, text, len, N_TIMES / 10));
    free(text);
    return 0;
}
