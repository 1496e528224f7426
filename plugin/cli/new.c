/* SPDX-License-Identifier: Apache-2.0 */
/* kabridge new: creates a project for a function; `make` and `make test` work
 * at once. The files of template-c/ or template-python/ are compiled in.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "cli.h"

/* path: within the project. In path and text, @NAME@ is the project's name and
 * @IDENTIFIER@ the same as a C identifier. */
typedef struct {
    const char *path, *text;
} KabTemplateFile;

static const KabTemplateFile c_files[] = {
#include "plugin/cli/template-c.inc"
};

static const KabTemplateFile python_files[] = {
#include "plugin/cli/template-python.inc"
};

/* Modules of Python's library, and ours. Python looks beside the script first:
 * json.py would be found wherever anything imports json. */
static const char python_modules[] =
    " "
    "abc aifc antigravity argparse array ast asynchat asyncio asyncore "
    "atexit audioop base64 bdb binascii bisect builtins bz2 calendar cgi "
    "cgitb chunk cmath cmd code codecs codeop collections colorsys "
    "compileall concurrent configparser contextlib contextvars copy copyreg "
    "crypt csv ctypes curses dataclasses datetime dbm decimal difflib dis "
    "distutils doctest email encodings ensurepip enum errno faulthandler "
    "fcntl filecmp fileinput fnmatch fractions ftplib functools gc "
    "genericpath getopt getpass gettext glob graphlib grp gzip hashlib "
    "heapq hmac html http idlelib imaplib imghdr imp importlib inspect io "
    "ipaddress itertools json kabridge keyword lib2to3 linecache locale "
    "logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder "
    "msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path "
    "numbers opcode operator optparse os ossaudiodev pathlib pdb pickle "
    "pickletools pipes pkgutil platform plistlib poplib posix posixpath "
    "pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data "
    "pyexpat queue quopri random re readline reprlib resource rlcompleter "
    "runpy sched secrets select selectors shelve shlex shutil signal site "
    "smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile "
    "sre_constants sre_parse ssl stat statistics string stringprep struct "
    "subprocess sunau symtable sys sysconfig syslog tabnanny tarfile "
    "telnetlib tempfile termios textwrap this threading time timeit tkinter "
    "token tokenize tomllib trace traceback tracemalloc tty turtle "
    "turtledemo types typing unicodedata unittest urllib uu uuid venv "
    "warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml "
    "xmlrpc zipapp zipfile zipimport zlib zoneinfo ";

/* A language, and the files of its project. */
typedef struct {
    const char *language;
    const KabTemplateFile *files;
    size_t n_files;
    const char *taken_names; /* with a blank before and after each */
} KabTemplate;

static const KabTemplate templates[] = {
    {"c", c_files, G_N_ELEMENTS(c_files), " "},
    {"python", python_files, G_N_ELEMENTS(python_files), python_modules},
};

static bool
is_name(const char *name)
{
    static const char *const characters = G_CSET_a_2_z G_CSET_DIGITS "_-";
    return g_ascii_islower(*name) && !name[strspn(name, characters)] &&
           strlen(name) <= 64;
}

static bool
is_taken(const KabTemplate *template, const char *name)
{
    g_autofree char *word = g_strdup_printf(" %s ", name);
    return strstr(template->taken_names, word) != NULL;
}

static char *
dup_filled(const char *text, const char *name)
{
    g_autofree char *identifier = g_strdup(name);
    GString *filled = g_string_new(text);
    g_string_replace(filled, "@NAME@", name, 0);
    g_string_replace(filled, "@IDENTIFIER@", g_strdelimit(identifier, "-", '_'),
                     0);
    return g_string_free(filled, FALSE);
}

static bool
write_file(const KabTemplateFile *file, const char *name, GError **error)
{
    g_autofree char *within = dup_filled(file->path, name);
    g_autofree char *path = g_build_filename(name, within, NULL);
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = dup_filled(file->text, name);
    if (g_mkdir_with_parents(directory, 0777) == 0)
        return g_file_set_contents(path, text, -1, error);
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "%s: %s",
                directory, g_strerror(errno));
    return false;
}

static bool
write_files(const KabTemplate *template, const char *name, GError **error)
{
    for (size_t i = 0; i < template->n_files; i++)
        if (!write_file(&template->files[i], name, error))
            return false;
    return true;
}

static int
refuse_name(const char *sentence)
{
    fprintf(stderr, "kabridge: %s\n", sentence);
    return EX_USAGE;
}

static int
make_project(const KabTemplate *template, const char *name)
{
    GError *error = NULL;
    if (!is_name(name))
        return refuse_name(
            "found a name that does not fit; wanted a lower-case letter, "
            "then lower-case letters, digits, - or _");
    if (is_taken(template, name))
        return refuse_name("found the name of a module of Python, which the "
                           "project's would hide; wanted another name");
    if (mkdir(name, 0777) < 0 && errno == EEXIST)
        return refuse_name("found a file of that name; wanted a new name");
    if (!write_files(template, name, &error))
        return kab_cli_fail(error);
    printf("made %s; next: cd %s && make test\n", name, name);
    return EX_OK;
}

/* Without a language, the first template; -1: unknown language. */
static int
choose_template(const char *language)
{
    const char *languages[G_N_ELEMENTS(templates)];
    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++)
        languages[i] = templates[i].language;
    if (!language)
        return 0;
    return kab_cli_choose("language", language, languages,
                          G_N_ELEMENTS(languages));
}

int
kab_cli_new(int argc, char **argv)
{
    g_autofree char *language = NULL;
    const GOptionEntry entries[] = {
        {"language", 'l', 0, G_OPTION_ARG_STRING, &language,
         "c (default) or python", "LANGUAGE"},
        {NULL},
    };
    if (!kab_cli_parse(&argc, &argv, "NAME",
                       "Makes a directory NAME with a function, its build and "
                       "its test.",
                       entries, 1, 1))
        return EX_USAGE;
    int chosen = choose_template(language);
    if (chosen < 0)
        return EX_USAGE;
    return make_project(&templates[chosen], argv[1]);
}
