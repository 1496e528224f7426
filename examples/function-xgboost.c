/* SPDX-License-Identifier: Apache-2.0 */
/* An in-process model: scores records with an XGBoost model file, a whole batch
 * at once.
 *
 *     make xgboost.so train && ./train model.json
 *     printf '0.1,0.9\n[0.8, 0.2]\n' | kabridge try xgboost.conf
 *
 * A value is the numbers of the columns, comma-separated or as a JSON array;
 * the output is the score. Needs only libxgboost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kabridge/function.h>
#include <xgboost/c_api.h>

/* Made by open(), freed by close(). In-place prediction does not modify the
 * model, so calls may overlap. */
typedef struct {
    BoosterHandle booster;
    size_t n_columns;
} Model;

static const KabOption options[] = {
    {.name = "model",
     .type = KAB_OPTION_STRING,
     .help = "The model's file, as XGBoost saves it.",
     .flags = KAB_OPTION_REQUIRED},
};

static bool
model_open(KabContext *context, void **ret_instance)
{
    Model *model = calloc(1, sizeof *model);
    const char *path = kab_context_get_string(context, "model");
    bst_ulong n_columns = 0;
    if (!model)
        return kab_context_fail(context, "out of memory");
    if (XGBoosterCreate(NULL, 0, &model->booster) != 0 ||
        XGBoosterLoadModel(model->booster, path) != 0 ||
        XGBoosterSetParam(model->booster, "nthread", "1") != 0 ||
        XGBoosterGetNumFeature(model->booster, &n_columns) != 0) {
        kab_context_fail(context, "model %s: %.300s", path, XGBGetLastError());
        XGBoosterFree(model->booster);
        free(model);
        return false;
    }
    model->n_columns = n_columns;
    *ret_instance = model;
    return true;
}

/* Parses a row; false: it does not have exactly n numbers. */
static bool
read_row(KabBytes value, float *row, size_t n)
{
    char text[4096];
    if (!value.data || value.len >= sizeof text)
        return false;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    char *at = text + strspn(text, " [");
    for (size_t i = 0; i < n; i++) {
        char *end;
        row[i] = strtof(at, &end);
        if (end == at)
            return false;
        at = end + strspn(end, i + 1 < n ? " ," : " ]\r");
    }
    return *at == '\0';
}

/* Collects the rows of all valid records; which[k] is the record of row k. */
static size_t
read_rows(const Model *model, KabBatch *batch, float *rows, size_t *which)
{
    const KabRecord *records = kab_batch_records(batch);
    size_t n = 0;
    for (size_t i = 0; i < kab_batch_count(batch); i++) {
        if (read_row(records[i].value, rows + n * model->n_columns,
                     model->n_columns))
            which[n++] = i;
        else
            kab_batch_reject_input(batch, i,
                                   "found no row; wanted as many numbers as "
                                   "the model has columns");
    }
    return n;
}

/* NULL: see XGBGetLastError(). The library owns the scores, until this thread's
 * next call. */
static const float *
predict(const Model *model, const float *rows, size_t n)
{
    static const char how[] = "{\"type\":0,\"training\":false,"
                              "\"iteration_begin\":0,\"iteration_end\":0,"
                              "\"strict_shape\":false,\"cache_id\":0,"
                              "\"missing\":NaN}";
    char array[160];
    const bst_ulong *shape;
    bst_ulong n_dimensions;
    const float *scores;
    snprintf(array, sizeof array,
             "{\"data\":[%zu,true],\"shape\":[%zu,%zu],\"typestr\":\"<f4\","
             "\"version\":3}",
             (size_t)rows, n, model->n_columns);
    if (XGBoosterPredictFromDense(model->booster, array, how, NULL, &shape,
                                  &n_dimensions, &scores) != 0)
        return NULL;
    return scores;
}

static void
model_process(void *instance, KabBatch *batch)
{
    const Model *model = instance;
    size_t count = kab_batch_count(batch);
    float *rows =
        kab_batch_alloc(batch, count * model->n_columns * sizeof *rows);
    size_t *which = kab_batch_alloc(batch, count * sizeof *which);
    size_t n = read_rows(model, batch, rows, which);
    const float *scores = n ? predict(model, rows, n) : NULL;
    if (n && !scores) {
        kab_batch_fail(batch, KAB_FAIL_PERMANENT, -1, XGBGetLastError());
        return;
    }
    for (size_t k = 0; k < n; k++) {
        char text[32];
        int len = snprintf(text, sizeof text, "%.6g", (double)scores[k]);
        kab_batch_emit_value(batch, which[k], text, (size_t)len);
    }
    kab_batch_complete(batch);
}

static void
model_close(void *instance)
{
    Model *model = instance;
    XGBoosterFree(model->booster);
    free(model);
}

KAB_FUNCTION_DEFINE(.name = "xgboost",
                    .summary = "scores rows with an XGBoost model",
                    .options = options,
                    .n_options = sizeof options / sizeof *options,
                    .open = model_open,
                    .process = model_process,
                    .close = model_close);
