/* SPDX-License-Identifier: Apache-2.0 */
/* Presets: the request and answer formats of known model servers.
 *
 * One table declares all of them. Each text and pointer of a row is a default
 * that the function's option of the same name overrides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Format of a request's body. */
typedef enum {
    KAB_HTTP_BODY_TEXT,      /* prefix, items with a separator, suffix */
    KAB_HTTP_BODY_TENSOR,    /* KServe V2, tensors as JSON */
    KAB_HTTP_BODY_BINARY,    /* KServe V2, tensors after a JSON head */
    KAB_HTTP_BODY_MULTIPART, /* one part per record */
} KabHttpBody;

/* How an answer is cut into results. */
typedef enum {
    KAB_HTTP_SPLIT_ARRAY,  /* the elements of the array at `items` */
    KAB_HTTP_SPLIT_NDJSON, /* one line per result */
    KAB_HTTP_SPLIT_ROWS,   /* the rows of a KServe V2 tensor */
    KAB_HTTP_SPLIT_PARTS,  /* the parts of a multipart body */
    KAB_HTTP_SPLIT_WHOLE,  /* the whole answer is the result of the only
                            * record */
} KabHttpSplit;

/* How a list of `column.NAME` is sent. */
typedef enum {
    KAB_HTTP_COLUMNS_NONE,  /* the preset takes no columns */
    KAB_HTTP_COLUMNS_LISTS, /* {"NAME":[...],...} */
    KAB_HTTP_COLUMNS_SPLIT, /* names once, then rows: a pandas frame */
    KAB_HTTP_COLUMNS_INPUTS /* one tensor per column */
} KabHttpColumns;

enum {
    /* Results are vectors: finite numbers, one length for all. */
    KAB_HTTP_VECTORS = 1u << 0,
    /* Empty texts are rejected in advance: the server would fail the whole
     * request. */
    KAB_HTTP_NO_EMPTY_TEXT = 1u << 1,
    /* A result that is a JSON string is written without its quotes. */
    KAB_HTTP_UNQUOTED = 1u << 2,
    KAB_HTTP_NEEDS_MODEL = 1u << 3,
    /* Results carry finish_reason: "length" and "content_filter" mean no
     * result. */
    KAB_HTTP_CHAT = 1u << 4,
    /* One record per request. */
    KAB_HTTP_EACH = 1u << 5,
    /* The body takes `encoding_format` and `dimensions`. */
    KAB_HTTP_ENCODING = 1u << 6,
    /* Items are the rows made by `fields` or `column.NAME`. */
    KAB_HTTP_NEEDS_FIELDS = 1u << 7,
    /* Body and answer need not be JSON. */
    KAB_HTTP_BYTES = 1u << 8,
};

/* Protocol by which the server describes itself. */
typedef enum {
    KAB_HTTP_TELLS_NOTHING,
    KAB_HTTP_TELLS_TEI, /* /health, /info: max_client_batch_size */
    KAB_HTTP_TELLS_V2,  /* /v2/health/ready, the model's metadata, /config */
} KabHttpTells;

typedef struct {
    const char *name;
    unsigned flags;
    KabHttpBody body;
    KabHttpColumns columns;
    KabHttpTells tells;
    size_t max_batch; /* 0: no known limit */
    const char *content_type;
    const char *prefix, *item, *separator, *suffix; /* templates */
    KabHttpSplit split;
    const char *items, *index, *value, *error; /* pointers; NULL: none */
    const char *what; /* a few words for the documentation */
} KabHttpPreset;

/* The names, as the range of an option: "json-array|ndjson|...". */
#define KAB_HTTP_PRESET_NAMES                                                  \
    "kserve-v2|kserve-v2-binary|instances|tfs|mlflow|openai-embed|"            \
    "openai-chat|vllm-chat|vllm-classify|vllm-score|ollama|tei|tei-predict|"   \
    "cohere-embed|json-array|ndjson|multipart|raw"

/* NULL: there is no preset of that name. */
const KabHttpPreset *kab_http_preset_find(const char *name);
/* For tests and documentation. */
const KabHttpPreset *kab_http_preset_all(size_t *ret_n);
