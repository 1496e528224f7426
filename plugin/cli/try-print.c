/* SPDX-License-Identifier: Apache-2.0 */
#include "try-print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"
#include "try-record.h"

/* Limit of drops that wait for an output before they are printed. */
enum { MAX_DROPS = 4096 };

void
kab_try_printer_init(KabTryPrinter *printer,
                     KabTryFormat format,
                     const char *in_name)
{
    *printer = (KabTryPrinter){.format = format,
                               .terminal = kab_terminal_of(stdout),
                               .in_name = in_name};
    if (format == KAB_TRY_VALUES && printer->terminal.is_terminal)
        printer->format = KAB_TRY_TABLE;
    g_queue_init(&printer->drops);
}

void
kab_try_printer_clear(KabTryPrinter *printer)
{
    g_queue_clear(&printer->drops);
}

/* --- Each format ------------------------------------------------------- */

static void
begin_json(uint64_t line, const char *outcome)
{
    printf("{\"line\":%" PRIu64 ",\"outcome\":\"%s\"", line, outcome);
}

static void
print_json_text(const char *name, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
    printf(",\"%s\":", name);
    kab_try_print_string(stdout, valid, strlen(valid));
}

/* Begins a row of the table; the text follows. */
static void
begin_row(const KabTryPrinter *printer,
          uint64_t line,
          const char *outcome,
          KabStyle style)
{
    const KabTerminal *terminal = &printer->terminal;
    printf("%s%6" PRIu64 "%s  %s%-6s%s  ",
           kab_terminal_style(terminal, KAB_STYLE_SOFT), line,
           kab_terminal_style(terminal, KAB_STYLE_PLAIN),
           kab_terminal_style(terminal, style), outcome,
           kab_terminal_style(terminal, KAB_STYLE_PLAIN));
}

/* Prints bytes with control characters as dots, so that a terminal does not
 * obey them. */
static void
print_tame(FILE *out, KabBytes bytes)
{
    const unsigned char *text = bytes.data;
    for (size_t i = 0; i < bytes.len; i++)
        putc((text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f ? '.'
                                                                    : text[i],
             out);
    putc('\n', out);
}

static void
print_value_row(const KabTryPrinter *printer,
                uint64_t line,
                const KabOutput *output,
                const char *pass_reason)
{
    KabBytes value = output->value;
    begin_row(printer, line, pass_reason ? "pass" : "value",
              pass_reason ? KAB_STYLE_YELLOW : KAB_STYLE_GREEN);
    print_tame(stdout, value.data ? value : (KabBytes){"(tombstone)", 11});
}

static void
print_json_headers(const KabOutput *output)
{
    printf(",\"headers\":[");
    for (size_t i = 0; i < output->n_headers; i++) {
        const KabHeader *header = &output->headers[i];
        g_autofree char *text =
            header->value.data ? g_utf8_make_valid(header->value.data,
                                                   (gssize)header->value.len)
                               : NULL;
        printf("%s[", i ? "," : "");
        kab_try_print_string(stdout, header->name, strlen(header->name));
        putchar(',');
        if (text)
            kab_try_print_string(stdout, text, strlen(text));
        else
            printf("null");
        putchar(']');
    }
    putchar(']');
}

static void
print_json_output(uint64_t line,
                  const KabOutput *output,
                  const char *pass_reason)
{
    begin_json(line, pass_reason ? "pass" : "value");
    putchar(',');
    kab_try_print_member(stdout, "key", output->key);
    putchar(',');
    kab_try_print_member(stdout, "value", output->value);
    if (output->topic)
        print_json_text("topic", output->topic);
    if (output->partition >= 0)
        printf(",\"partition\":%" PRIi32, output->partition);
    if (output->timestamp_ms >= 0)
        printf(",\"timestamp\":%" PRIi64, output->timestamp_ms);
    if (output->n_headers)
        print_json_headers(output);
    if (pass_reason)
        print_json_text("reason", pass_reason);
    printf("}\n");
}

/* --- Outcomes ---------------------------------------------------------- */

static void
show_drop(const KabTryPrinter *printer, uint64_t line)
{
    switch (printer->format) {
    case KAB_TRY_VALUES:
        break;
    case KAB_TRY_TABLE:
        begin_row(printer, line, "drop", KAB_STYLE_SOFT);
        putchar('\n');
        break;
    case KAB_TRY_JSON:
        begin_json(line, "drop");
        printf("}\n");
        break;
    }
}

static uint64_t
peek_drop(KabTryPrinter *printer)
{
    return GPOINTER_TO_SIZE(g_queue_peek_head(&printer->drops));
}

static void
show_drops_before(KabTryPrinter *printer, uint64_t line)
{
    while (printer->drops.length && peek_drop(printer) < line) {
        show_drop(printer, peek_drop(printer));
        g_queue_pop_head(&printer->drops);
    }
}

void
kab_try_print_drops(KabTryPrinter *printer)
{
    show_drops_before(printer, UINT64_MAX);
}

void
kab_try_print_drop(KabTryPrinter *printer, uint64_t line)
{
    GList *at = printer->drops.tail;
    while (at && GPOINTER_TO_SIZE(at->data) > line)
        at = at->prev;
    g_queue_insert_after(&printer->drops, at, GSIZE_TO_POINTER(line));
    if (printer->drops.length > MAX_DROPS)
        kab_try_print_drops(printer);
}

void
kab_try_print_output(KabTryPrinter *printer,
                     uint64_t line,
                     const KabOutput *output,
                     const char *pass_reason)
{
    show_drops_before(printer, line);
    switch (printer->format) {
    case KAB_TRY_VALUES:
        if (output->value.len)
            fwrite(output->value.data, 1, output->value.len, stdout);
        putchar('\n');
        if (pass_reason) {
            fflush(stdout);
            fprintf(stderr, "%s:%" PRIu64 ": pass: ", printer->in_name, line);
            print_tame(stderr, (KabBytes){pass_reason, strlen(pass_reason)});
        }
        break;
    case KAB_TRY_TABLE:
        print_value_row(printer, line, output, pass_reason);
        break;
    case KAB_TRY_JSON:
        print_json_output(line, output, pass_reason);
        break;
    }
}

void
kab_try_print_retry(KabTryPrinter *printer,
                    uint64_t line,
                    const KabResult *result)
{
    const char *reason = result->reason ? result->reason : "no reason given";
    switch (printer->format) {
    case KAB_TRY_VALUES:
        fflush(stdout);
        fprintf(stderr, "%s:%" PRIu64 ": retry: ", printer->in_name, line);
        print_tame(stderr, (KabBytes){reason, strlen(reason)});
        break;
    case KAB_TRY_TABLE:
        begin_row(printer, line, "retry", KAB_STYLE_YELLOW);
        print_tame(stdout, (KabBytes){reason, strlen(reason)});
        break;
    case KAB_TRY_JSON:
        begin_json(line, "retry");
        print_json_text("reason", reason);
        if (result->delay_ms >= 0)
            printf(",\"delay_ms\":%" PRIi64, result->delay_ms);
        printf("}\n");
        break;
    }
}

static void
print_letter(const KabTryPrinter *printer,
             uint64_t line,
             const KabDeadLetter *letter)
{
    fflush(stdout);
    fprintf(stderr,
            "%s:%" PRIu64 ": %s after %u call%s, stage %s: ", printer->in_name,
            line, kab_class_name(letter->class_), (unsigned)letter->calls,
            letter->calls == 1 ? "" : "s", kab_stage_name(letter->stage));
    print_tame(stderr, (KabBytes){letter->message, strlen(letter->message)});
}

void
kab_try_print_reject(KabTryPrinter *printer,
                     uint64_t line,
                     const KabDeadLetter *letter)
{
    show_drops_before(printer, line);
    switch (printer->format) {
    case KAB_TRY_VALUES:
        print_letter(printer, line, letter);
        break;
    case KAB_TRY_TABLE:
        begin_row(printer, line, "reject", KAB_STYLE_RED);
        printf("%s after %u call%s, stage %s: ", kab_class_name(letter->class_),
               (unsigned)letter->calls, letter->calls == 1 ? "" : "s",
               kab_stage_name(letter->stage));
        print_tame(stdout,
                   (KabBytes){letter->message, strlen(letter->message)});
        break;
    case KAB_TRY_JSON:
        begin_json(line, "reject");
        printf(",\"class\":\"%s\",\"stage\":\"%s\",\"calls\":%u",
               kab_class_name(letter->class_), kab_stage_name(letter->stage),
               (unsigned)letter->calls);
        print_json_text("reason", letter->message);
        printf("}\n");
        break;
    }
}

void
kab_try_print_unread(KabTryPrinter *printer, uint64_t line, const char *problem)
{
    const KabDeadLetter letter = {.stage = KAB_STAGE_DECODE,
                                  .class_ = KAB_CLASS_REJECTED,
                                  .message = problem};
    kab_try_print_reject(printer, line, &letter);
}
