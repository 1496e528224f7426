/* SPDX-License-Identifier: Apache-2.0 */
/* The error domain, and the exit status for each of its codes. */
#include "kabridge/error.h"

#include <sysexits.h>

G_DEFINE_QUARK(kab - error - quark, kab_error)

int
kab_error_exit_status(const GError *error)
{
    if (!error)
        return EX_OK;
    if (error->domain != KAB_ERROR)
        return EX_SOFTWARE;
    switch ((KabError)error->code) {
    case KAB_ERROR_CONFIG:
        return EX_CONFIG;
    case KAB_ERROR_USAGE:
        return EX_USAGE;
    case KAB_ERROR_UNAVAILABLE:
        return EX_UNAVAILABLE;
    case KAB_ERROR_UNFINISHED:
        return EX_TEMPFAIL;
    case KAB_ERROR_INTERNAL:
        return EX_SOFTWARE;
    }
    return EX_SOFTWARE;
}
