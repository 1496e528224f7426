/* SPDX-License-Identifier: Apache-2.0 */
/* The function "http" without a server: statuses, pauses, templates, tensors,
 * and answers that match their records or do not. */
#include "kab-test.h"

#include <glib.h>

#include "http-answer.h"
#include "http-sign.h"
#include "http-status.h"
#include "http-template.h"
#include "http-tensor.h"

TEST(statuses_mean_what_the_table_says)
{
    static const struct {
        long status;
        KabHttpMeaning meaning;
    } cases[] = {
        {200, KAB_HTTP_SUCCESS},     {204, KAB_HTTP_SUCCESS},
        {301, KAB_HTTP_REDIRECTED},  {308, KAB_HTTP_REDIRECTED},
        {400, KAB_HTTP_PERMANENT},   {401, KAB_HTTP_CREDENTIALS},
        {402, KAB_HTTP_UNPAID},      {403, KAB_HTTP_CREDENTIALS},
        {404, KAB_HTTP_CREDENTIALS}, {405, KAB_HTTP_CREDENTIALS},
        {408, KAB_HTTP_TRANSIENT},   {413, KAB_HTTP_TOO_LARGE},
        {422, KAB_HTTP_PERMANENT},   {425, KAB_HTTP_TRANSIENT},
        {429, KAB_HTTP_OVERLOADED},  {500, KAB_HTTP_TRANSIENT},
        {501, KAB_HTTP_PERMANENT},   {502, KAB_HTTP_OVERLOADED},
        {503, KAB_HTTP_OVERLOADED},  {504, KAB_HTTP_OVERLOADED},
        {507, KAB_HTTP_TRANSIENT},   {529, KAB_HTTP_OVERLOADED},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_int_equal(kab_http_status_meaning(cases[i].status),
                         cases[i].meaning);
}

TEST(a_pause_is_seconds_a_date_or_milliseconds)
{
    const int64_t now_s = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(kab_http_retry_after_ms("3", NULL, now_s), 3000);
    assert_int_equal(kab_http_retry_after_ms("0.5", "", now_s), 500);
    assert_int_equal(kab_http_retry_after_ms("3", "250", now_s), 250);
    assert_int_equal(
        kab_http_retry_after_ms("Sun, 06 Nov 1994 08:49:47 GMT", NULL, now_s),
        10000);
    assert_int_equal(
        kab_http_retry_after_ms("Sun, 06 Nov 1994 08:49:27 GMT", NULL, now_s),
        0);
    assert_int_equal(kab_http_retry_after_ms("86400", NULL, now_s), 300000);
    assert_int_equal(kab_http_retry_after_ms("soon", NULL, now_s), -1);
    assert_int_equal(kab_http_retry_after_ms(NULL, NULL, now_s), -1);
    assert_int_equal(kab_http_retry_after_ms("", "", now_s), -1);
}

TEST(quota_codes_are_told_from_rate_limits)
{
    assert_true(kab_http_is_quota_code("insufficient_quota", 18));
    assert_true(kab_http_is_quota_code("billing_hard_limit_reached", 26));
    assert_false(kab_http_is_quota_code("rate_limit_exceeded", 19));
}

/* The template rendered for this record, or the reason why it cannot be. */
static char *
render(const char *text, const char *value)
{
    g_autofree char *problem = NULL;
    KabHttpTemplate *template = kab_http_template_new(text, &problem);
    if (!template)
        return g_steal_pointer(&problem);
    const KabRecord record = {
        .key = {"k\"", 2}, .topic = "t", .partition = 3, .offset = 7};
    const KabHttpSubject subject = {.record = &record,
                                    .index = 1,
                                    .n = 2,
                                    .value = {value, strlen(value)},
                                    .model = "m",
                                    .columns = "[]"};
    GString *out = g_string_new("");
    const char *why = kab_http_template_render(template, &subject, out);
    kab_http_template_free(template);
    if (why)
        g_string_assign(out, why);
    return g_string_free(out, FALSE);
}

TEST(placeholders_are_filled_and_other_braces_stay)
{
    static const struct {
        const char *text, *value, *wanted;
    } cases[] = {
        {"{value}", " [1.0] ", "[1.0]"},
        {"{value:json}", "x", "the value is not JSON"},
        {"{value:json}", "\xEF\xBB\xBF{}",
         "the value is not JSON; it begins with a UTF-8 byte order mark, which "
         "JSON does not have"},
        {"{value:string}", "a\"b", "\"a\\\"b\""},
        {"{value:string}", "\xff", "the value is not UTF-8"},
        {"{value:raw}{value:base64}", "ab", "abYWI="},
        {"{value:url}", "a b/", "a%20b%2F"},
        {"{value:/a/0}", "{\"a\":[1e0]}", "1e0"},
        {"{value:/a:string}", "{\"a\":7}", "\"7\""},
        {"{value:/a:string}", "{\"a\":\"x\"}", "\"x\""},
        {"{value:/a:raw}", "{\"a\":\"x\\n\"}", "x\n"},
        {"{key}{topic:raw}{partition}{offset}", "", "\"k\\\"\"t37"},
        {"{index}/{n}{model}{columns}", "", "1/2\"m\"[]"},
        {"{\"a\":{value}}", "1", "{\"a\":1}"},
        {"{{values}", "1", "{{values}"},
        {"{", "1", "{"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = render(cases[i].text, cases[i].value);
        assert_string_equal(found, cases[i].wanted);
    }
    g_autofree char *wrong = render("{value:jsn}", "1");
    assert_non_null(strstr(wrong, "found {value:jsn}"));
    g_autofree char *problem = NULL;
    KabHttpTemplate *template = kab_http_template_new("{n}", &problem);
    assert_false(kab_http_template_needs_record(template));
    kab_http_template_free(template);
}

static KabSpan
span_of(const char *text)
{
    return (KabSpan){text, strlen(text)};
}

TEST(shapes_are_measured_and_uneven_rows_found)
{
    KabHttpShape shape;
    assert_true(kab_http_shape_measure(span_of("1"), &shape));
    assert_int_equal(shape.rank, 0);
    assert_true(kab_http_shape_measure(span_of("[[1,2],[3,4],[5,6]]"), &shape));
    assert_int_equal(shape.rank, 2);
    assert_int_equal(shape.size[0], 3);
    assert_int_equal(shape.size[1], 2);
    assert_true(kab_http_shape_measure(span_of("[\"a\",\"b\"]"), &shape));
    assert_int_equal(shape.rank, 1);
    assert_false(kab_http_shape_measure(span_of("[[1,2],[3]]"), &shape));
    assert_false(kab_http_shape_measure(span_of("[[1,2],3]"), &shape));
}

static char *
pointer(const char *text)
{
    return g_strdup(text);
}

/* The verdict on an array of {"index":…,"v":…} for n records. */
static KabHttpVerdict
cut(const char *body, KabHttpResult *results, size_t n)
{
    KabHttpPlan plan = {.preset = kab_http_preset_find("vllm-classify"),
                        .split = KAB_HTTP_SPLIT_ARRAY,
                        .items = pointer("/data"),
                        .index = pointer("/index"),
                        .value = pointer("/v")};
    KabHttpAnswer answer = {.body = span_of(body), .results = results, .n = n};
    KabHttpVerdict verdict = kab_http_answer_cut(&answer, &plan);
    g_free(plan.items);
    g_free(plan.index);
    g_free(plan.value);
    return verdict;
}

TEST(a_result_goes_to_its_record_or_nowhere)
{
    KabHttpResult results[2];
    assert_int_equal(
        cut("{\"data\":[{\"index\":1,\"v\":\"b\"},{\"index\":0,\"v\":\"a\"}]}",
            results, 2),
        KAB_HTTP_ANSWER_FITS);
    assert_memory_equal(results[0].value.at, "\"a\"", 3);
    assert_memory_equal(results[1].value.at, "\"b\"", 3);
    assert_int_equal(cut("{\"data\":[{\"v\":1},{\"v\":2}]}", results, 2),
                     KAB_HTTP_ANSWER_FITS);
    static const char *const misaligned[] = {
        "{\"data\":[]}",
        "{\"data\":[{\"v\":1}]}",
        "{\"data\":[{\"v\":1},{\"v\":2},{\"v\":3}]}",
        "{\"data\":[{\"index\":0,\"v\":1},{\"index\":0,\"v\":2}]}",
        "{\"data\":[{\"index\":0,\"v\":1},{\"index\":2,\"v\":2}]}",
        "{\"data\":[{\"index\":-1,\"v\":1},{\"index\":0,\"v\":2}]}",
        "{\"data\":[{\"index\":0,\"v\":1},{\"v\":2}]}",
        "{\"data\":[{\"v\":1},{\"index\":0,\"v\":2}]}",
        "{\"data\":[{\"index\":\"0\",\"v\":1},{\"index\":1,\"v\":2}]}",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(misaligned); i++)
        assert_int_equal(cut(misaligned[i], results, 2),
                         KAB_HTTP_ANSWER_MISALIGNED);
    static const char *const unreadable[] = {"",   "{\"data\":[",   "<html>",
                                             "[]", "{\"data\":{}}", "{}"};
    for (size_t i = 0; i < G_N_ELEMENTS(unreadable); i++)
        assert_int_equal(cut(unreadable[i], results, 2),
                         KAB_HTTP_ANSWER_UNREADABLE);
}

TEST(vectors_have_the_length_that_most_have)
{
    KabHttpResult results[] = {
        {KAB_HTTP_RESULT_JSON, span_of("[1]")},
        {KAB_HTTP_RESULT_JSON, span_of("[1,2]")},
        {KAB_HTTP_RESULT_JSON, span_of("[3,4]")},
        {KAB_HTTP_RESULT_JSON, span_of("[null,4]")},
    };
    KabHttpAnswer answer = {.results = results, .n = 4};
    size_t length = 0;
    assert_int_equal(kab_http_answer_check_vectors(&answer, &length), 2);
    assert_int_equal(length, 0);
    assert_int_equal(results[0].type, KAB_HTTP_RESULT_REJECT);
    assert_int_equal(results[3].type, KAB_HTTP_RESULT_REJECT);
    answer = (KabHttpAnswer){.results = results + 1, .n = 2};
    assert_int_equal(kab_http_answer_check_vectors(&answer, &length), 0);
    assert_int_equal(length, 2);
}

TEST(a_number_too_large_for_a_double_is_not_finite)
{
    KabHttpResult results[] = {
        {KAB_HTTP_RESULT_JSON, span_of("[1e-999,2.5E+3,1e2]")},
        {KAB_HTTP_RESULT_JSON, span_of("[1,2,1e999]")},
        {KAB_HTTP_RESULT_JSON, span_of("[-12.5E400,2,1]")},
    };
    KabHttpAnswer answer = {.results = results, .n = 3};
    size_t length = 0;
    assert_int_equal(kab_http_answer_check_vectors(&answer, &length), 2);
    assert_int_equal(results[0].type, KAB_HTTP_RESULT_JSON);
}

TEST(words_and_codes_of_errors_are_found)
{
    static const struct {
        const char *body, *message, *code;
    } cases[] = {
        {"{\"error\":{\"message\":\"m\",\"code\":\"c\"}}", "m", "c"},
        {"{\"error\":\"e\"}", "e", NULL},
        {"{\"detail\":[{\"msg\":\"d\"}]}", "d", NULL},
        {"plain", "plain", NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        KabSpan message, code;
        kab_http_error_read(span_of(cases[i].body), &message, &code);
        assert_memory_equal(message.at, cases[i].message, message.len);
        assert_int_equal(message.len, strlen(cases[i].message));
        assert_int_equal(code.at != NULL, cases[i].code != NULL);
    }
}

/* Examples that AWS publishes with its signature version 4. */
TEST(signatures_are_those_that_aws_publishes)
{
    static const char get[] = "GET", post[] = "POST",
                      form[] = "application/x-www-form-urlencoded";
    static const struct {
        const char *method, *path, *query, *type, *body, *signature;
    } cases[] = {
        {get, "/", NULL, NULL, "",
         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {get, "/\xe1\x88\xb4", NULL, NULL, "",
         "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {get, "/example space/", NULL, NULL, "",
         "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        {get, "/", "Param2=value2&Param1=value1", NULL, "",
         "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {post, "/", NULL, form, "Param1=value1",
         "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *value = kab_http_sign(&(KabHttpSigned){
            .key = "AKIDEXAMPLE",
            .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            .region = "us-east-1",
            .service = "service",
            .method = cases[i].method,
            .host = "example.amazonaws.com",
            .path = cases[i].path,
            .query = cases[i].query,
            .content_type = cases[i].type,
            .date = "20150830T123600Z",
            .body = cases[i].body,
            .body_len = strlen(cases[i].body)});
        assert_non_null(strstr(value, "Credential=AKIDEXAMPLE/20150830/"
                                      "us-east-1/service/aws4_request, "));
        assert_string_equal(strstr(value, "Signature=") + 10,
                            cases[i].signature);
    }
}

TEST(every_name_of_the_option_is_a_preset)
{
    g_auto(GStrv) names = g_strsplit(KAB_HTTP_PRESET_NAMES, "|", -1);
    size_t n;
    kab_http_preset_all(&n);
    assert_int_equal(g_strv_length(names), n + 1); /* plus the alias tfs */
    for (char **name = names; *name; name++)
        assert_non_null(kab_http_preset_find(*name));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_mean_what_the_table_says),
        cmocka_unit_test(a_pause_is_seconds_a_date_or_milliseconds),
        cmocka_unit_test(quota_codes_are_told_from_rate_limits),
        cmocka_unit_test(placeholders_are_filled_and_other_braces_stay),
        cmocka_unit_test(shapes_are_measured_and_uneven_rows_found),
        cmocka_unit_test(a_result_goes_to_its_record_or_nowhere),
        cmocka_unit_test(vectors_have_the_length_that_most_have),
        cmocka_unit_test(a_number_too_large_for_a_double_is_not_finite),
        cmocka_unit_test(words_and_codes_of_errors_are_found),
        cmocka_unit_test(signatures_are_those_that_aws_publishes),
        cmocka_unit_test(every_name_of_the_option_is_a_preset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
