/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge version: our version, and that of the loaded librdkafka. */
#include <kabridge/version.h>

#include <stdio.h>
#include <sysexits.h>

#include <librdkafka/rdkafka.h>

#include "cli.h"

int
kab_cli_version(int argc, char **argv)
{
    if (!kab_cli_parse(&argc, &argv, "",
                       "Prints the versions of kabridge and of librdkafka.",
                       NULL, 0, 0))
        return EX_USAGE;
    printf("kabridge %s (function ABI %u.%u), librdkafka %s\n", KAB_VERSION,
           KAB_ABI_MAJOR, KAB_ABI_MINOR, rd_kafka_version_str());
    return EX_OK;
}
