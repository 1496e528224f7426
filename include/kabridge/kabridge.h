/* SPDX-License-Identifier: Apache-2.0 */
/* The whole public API. A function module needs function.h only. */
#pragma once

#include <kabridge/bridge.h>
#include <kabridge/error.h>
#include <kabridge/function.h>
#include <kabridge/version.h>
