/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the metrics page, for `make doc-metrics`. */
#include <stdio.h>

#include "metrics.h"

int
main(void)
{
    g_autofree char *page = kab_metrics_dup_markdown();
    return fputs(page, stdout) < 0;
}
