/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens functions: built-in names, module names, paths.
 *
 * Search order of a name: KABRIDGE_MODULE_PATH, [modules] path, the built-in
 * directory (an uninstalled build finds its own modules beside itself).
 * Modules are opened with everything bound, checked against the ABI, and
 * stay resident, so that leak reports keep their names.
 */
#pragma once

#include "kabridge/error.h"

/* A description that may be of an older minor: its head is what the module
 * has, the rest is zero. Never freed. */
typedef struct {
    const KabFunction *function;
    const char *path; /* interned; NULL: given by the program */
} KabModule;

/* name: of a built-in or a module, or the path of a .so (it has a '/'). path:
 * colon-separated directories of [modules]; NULL: none. The error's message
 * says what was looked for and where, or what does not fit with both numbers;
 * an unknown name gets the nearest known one. Its code: KAB_ERROR_CONFIG. */
bool kab_loader_open(const char *path,
                     const char *name,
                     KabModule *ret_module,
                     GError **error);

/* Every module found, each name once, sorted; a broken one goes to on_broken
 * (path, sentence) and is left out. Returns a new array of KabModule. */
GArray *kab_loader_list(const char *path,
                        void (*on_broken)(void *user,
                                          const char *file,
                                          const char *message),
                        void *user);

/* Is the description of an ABI we can call? For one given by a program. */
bool kab_loader_check(const KabFunction *function,
                      const char *where,
                      GError **error);
