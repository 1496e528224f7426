/* SPDX-License-Identifier: Apache-2.0 */
/* The harness of every test program: cmocka with its prerequisites.
 *
 * TEST(name) defines a test that finds its fixture in *state. Mocks and
 * asserts only on the test's own thread.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state)
