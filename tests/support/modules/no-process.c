/* SPDX-License-Identifier: Apache-2.0 */
/* A module without process(). */
#include <kabridge/function.h>

KAB_FUNCTION_DEFINE(.name = "no-process");
