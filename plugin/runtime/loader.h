/* SPDX-License-Identifier: Apache-2.0 */
/* Finds and opens functions: built-in names, module names, paths.
 *
 * Search order of a name: KABRIDGE_MODULE_PATH, [modules] path, the built-in
 * directory (an uninstalled build finds its own modules beside itself). Modules
 * are opened with RTLD_NOW, checked against the ABI, and stay resident, so that
 * leak reports can resolve their symbols.
 */
#pragma once

#include "kabridge/error.h"

/* A description, which may come from an older minor version: its head is that
 * of the module, missing fields are zero. Never freed. */
typedef struct {
    const KabFunction *function;
    const char *path; /* interned; NULL: given by the program */
} KabModule;

/* Opens a function. name: a built-in, a module, or the path of a .so (it
 * contains a '/'). path: colon-separated directories of [modules]; NULL: none.
 * Errors are KAB_ERROR_CONFIG. The message tells what was searched for and
 * where, the nearest known name, or, on an ABI mismatch, both versions. */
bool kab_loader_open(const char *path,
                     const char *name,
                     KabModule *ret_module,
                     GError **error);

/* Lists every module found, each name once, sorted. A broken module is passed
 * to on_broken (path, sentence) and left out. Returns a new array of
 * KabModule. */
GArray *kab_loader_list(const char *path,
                        void (*on_broken)(void *user,
                                          const char *file,
                                          const char *message),
                        void *user);

/* Checks a description and returns it in our own layout: itself, or, if its
 * sizes differ, a copy that lives as long as the process. NULL with
 * KAB_ERROR_CONFIG: its ABI version cannot be called. */
const KabFunction *kab_loader_adopt(const KabFunction *function,
                                    const char *where,
                                    GError **error);
