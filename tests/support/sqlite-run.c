/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite-run FILE: the SQL on standard input, run in that database. What
 * tests make their files with, where no command of SQLite is installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

enum { MAX_SCRIPT = 1 << 20 };

static int
run_script(sqlite3 *db, const char *script)
{
    char *message = NULL;
    if (sqlite3_exec(db, script, NULL, NULL, &message) == SQLITE_OK)
        return EXIT_SUCCESS;
    fprintf(stderr, "sqlite-run: %s\n", message);
    sqlite3_free(message);
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    static char script[MAX_SCRIPT];
    sqlite3 *db;
    if (argc != 2) {
        fprintf(stderr, "usage: sqlite-run FILE <SCRIPT\n");
        return 64;
    }
    size_t len = fread(script, 1, sizeof script - 1, stdin);
    script[len] = '\0';
    if (sqlite3_open(argv[1], &db) != SQLITE_OK) {
        fprintf(stderr, "sqlite-run: cannot open %s\n", argv[1]);
        return EXIT_FAILURE;
    }
    int status = run_script(db, script);
    sqlite3_close(db);
    return status;
}
