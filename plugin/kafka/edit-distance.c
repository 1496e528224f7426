/* SPDX-License-Identifier: Apache-2.0 */
#include "edit-distance.h"

#include <string.h>

#include <glib.h>

enum { LONGEST = 64 };

typedef struct {
    size_t rows[LONGEST + 1][LONGEST + 1];
} Table;

static size_t
least_edits(
    const Table *table, const char *a, const char *b, size_t i, size_t j)
{
    size_t edit = table->rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
    edit = MIN(edit, table->rows[i - 1][j] + 1);
    edit = MIN(edit, table->rows[i][j - 1] + 1);
    if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        edit = MIN(edit, table->rows[i - 2][j - 2] + 1);
    return edit;
}

size_t
kab_edit_distance(const char *a, const char *b, size_t limit)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    size_t apart = n_a > n_b ? n_a - n_b : n_b - n_a;
    if (apart >= limit || n_a > LONGEST || n_b > LONGEST)
        return limit;
    Table table;
    for (size_t i = 0; i <= n_a; i++)
        table.rows[i][0] = i;
    for (size_t j = 0; j <= n_b; j++)
        table.rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++)
        for (size_t j = 1; j <= n_b; j++)
            table.rows[i][j] = least_edits(&table, a, b, i, j);
    return MIN(table.rows[n_a][n_b], limit);
}
