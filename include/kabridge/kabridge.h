/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of the public API. Authors of functions need function.h only. */
#pragma once

#include <kabridge/bridge.h>
#include <kabridge/error.h>
#include <kabridge/function.h>
#include <kabridge/version.h>
