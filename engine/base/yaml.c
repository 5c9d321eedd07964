/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "base/yaml_scalar.h"

enum { MAX_TEXT_BYTES = 64 * 1024 * 1024, MAX_NODES = 1000000, MAX_BYTES = 256 * 1024 * 1024 };

struct anchor {
    char *name;
    struct kst_json *value;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    struct anchor *anchors;
    size_t nanchors;
    size_t nodes; /* made so far, what aliases repeat counted each time */
    size_t bytes;
    int depth;
    struct kst_err **err;
};

static int fail_at(struct reader *in, const yaml_mark_t *mark, const char *text)
{
    return kst_err_set(in->err, KST_E_PARSE, "line %zu, column %zu: %s", mark->line + 1,
                       mark->column + 1, text);
}

static int next(struct reader *in)
{
    if (in->has_event)
        yaml_event_delete(&in->event);
    in->has_event = false;
    if (!yaml_parser_parse(&in->parser, &in->event))
        return fail_at(in, &in->parser.problem_mark,
                       in->parser.problem ? in->parser.problem : "this is not YAML");
    in->has_event = true;
    return 0;
}

static size_t count_nodes(const struct kst_json *value, size_t *bytes)
{
    size_t count = 1;
    if (kst_json_str(value))
        *bytes += strlen(kst_json_str(value));
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row))
        count += count_nodes(row, bytes);
    return count;
}

static int charge(struct reader *in, size_t nodes, size_t bytes)
{
    in->nodes += nodes;
    in->bytes += bytes;
    if (in->nodes > MAX_NODES || in->bytes > MAX_BYTES)
        return kst_err_set(in->err, KST_E_LIMIT,
                           "line %zu: the YAML expands to more than %d values or %d bytes",
                           in->event.start_mark.line + 1, MAX_NODES, MAX_BYTES);
    return 0;
}

static void keep_anchor(struct reader *in, const char *name, const struct kst_json *value)
{
    if (!name)
        return;
    struct kst_json *copy = kst_json_dup(value);
    for (size_t i = 0; i < in->nanchors; i++) {
        if (strcmp(in->anchors[i].name, name) == 0) {
            kst_json_free(in->anchors[i].value);
            in->anchors[i].value = copy;
            return;
        }
    }
    in->anchors = kst_realloc(in->anchors, (in->nanchors + 1) * sizeof(*in->anchors));
    in->anchors[in->nanchors++] = (struct anchor){.name = kst_strdup(name), .value = copy};
}

static int read_alias(struct reader *in, struct kst_json **out)
{
    const char *name = (const char *)in->event.data.alias.anchor;
    for (size_t i = 0; i < in->nanchors; i++) {
        if (strcmp(in->anchors[i].name, name) != 0)
            continue;
        size_t bytes = 0, nodes = count_nodes(in->anchors[i].value, &bytes);
        int rc = charge(in, nodes, bytes);
        if (rc == 0)
            *out = kst_json_dup(in->anchors[i].value);
        return rc;
    }
    kst_auto_free char *text = kst_asprintf("unknown anchor '%s' referenced", name);
    return fail_at(in, &in->event.start_mark, text);
}

/* !!binary: the bytes that the base64 text stands for; what is no UTF-8 in them becomes U+FFFD, as
 * where kubectl makes JSON of it. */
static int read_binary(struct reader *in, const char *text, size_t len, struct kst_json **out)
{
    kst_auto_buf bytes = KST_BUF_INIT(len + 4), clean = KST_BUF_INIT(3 * len + 4);
    if (kst_base64_decode(&bytes, (struct kst_str){.data = text, .len = len}, true) < 0)
        return fail_at(in, &in->event.start_mark, "!!binary value contains invalid base64 data");
    const char *end = bytes.data + bytes.len;
    for (const char *at = bytes.data; at < end;) {
        size_t whole = kst_json_utf8(at, end);
        if (whole)
            kst_buf_add(&clean, at, whole);
        else
            kst_buf_adds(&clean, "\xef\xbf\xbd");
        at += whole ? whole : 1;
    }
    *out = kst_json_from_strn(clean.data, clean.len);
    return 0;
}

static int read_scalar(struct reader *in, struct kst_json **out)
{
    const char *text = (const char *)in->event.data.scalar.value;
    const char *tag = (const char *)in->event.data.scalar.tag;
    size_t len = in->event.data.scalar.length;
    int rc = charge(in, 1, len);
    if (rc < 0)
        return rc;
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *type = tag && strncmp(tag, prefix, sizeof(prefix) - 1) == 0
                           ? tag + sizeof(prefix) - 1
                           : NULL;
    bool plain = in->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (type && strcmp(type, "binary") == 0) {
        rc = read_binary(in, text, len, out);
        if (rc < 0)
            return rc;
    } else if (type ? strcmp(type, "str") == 0 : !plain || (tag && strcmp(tag, "!") == 0)) {
        *out = kst_json_from_strn(text, len);
    } else {
        *out = kst_yaml_resolve(text, len);
        if (!*out)
            return fail_at(in, &in->event.start_mark, "infinity and NaN cannot be JSON");
    }
    keep_anchor(in, (const char *)in->event.data.scalar.anchor, *out);
    return 0;
}

static int read_node(struct reader *in, struct kst_json **out);

static int deeper(struct reader *in)
{
    if (++in->depth > KST_JSON_DEPTH)
        return kst_err_set(in->err, KST_E_LIMIT,
                           "line %zu: the YAML is nested deeper than %d levels",
                           in->event.start_mark.line + 1, KST_JSON_DEPTH);
    return charge(in, 1, 0);
}

static int read_sequence(struct reader *in, struct kst_json **out)
{
    kst_auto_free char *anchor = kst_strdup((const char *)in->event.data.sequence_start.anchor);
    kst_auto_json struct kst_json *list = kst_json_array();
    int rc = deeper(in);
    if (rc == 0)
        rc = next(in);
    while (rc == 0 && in->event.type != YAML_SEQUENCE_END_EVENT) {
        struct kst_json *value = NULL;
        rc = read_node(in, &value);
        if (rc < 0)
            return rc;
        kst_json_push(list, value);
        rc = next(in);
    }
    if (rc < 0)
        return rc;
    in->depth--;
    keep_anchor(in, anchor, list);
    *out = kst_take(list);
    return 0;
}

/* A key as the string that JSON wants: go-yaml's values as sigs.k8s.io/yaml writes them. */
static int key_text(struct reader *in, const struct kst_json *key, const yaml_mark_t *mark,
                    char **out)
{
    switch (kst_json_type(key)) {
    case KST_JSON_STRING:
        *out = kst_strdup(kst_json_str(key));
        return 0;
    case KST_JSON_BOOL:
        *out = kst_strdup(kst_json_true(key) ? "true" : "false");
        return 0;
    case KST_JSON_NUMBER:
        *out = kst_strdup(kst_json_number(key));
        return 0;
    default:
        return fail_at(in, mark, "a key must be a string, a number or a boolean");
    }
}

/* <<: what is merged does not replace what is there. */
static int merge(struct reader *in, struct kst_json *object, const struct kst_json *value,
                 const yaml_mark_t *mark)
{
    if (kst_json_type(value) == KST_JSON_ARRAY) {
        for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
            int rc = merge(in, object, row, mark);
            if (rc < 0)
                return rc;
        }
        return 0;
    }
    if (kst_json_type(value) != KST_JSON_OBJECT)
        return fail_at(in, mark, "map merge requires map or sequence of maps as the value");
    for (const struct kst_json *row = kst_json_first(value); row; row = kst_json_next(row)) {
        if (!kst_json_get(object, kst_json_key(row)))
            kst_json_set(object, kst_json_key(row), kst_json_dup(row));
    }
    return 0;
}

static int read_pair(struct reader *in, struct kst_json *object, struct kst_json *merges)
{
    yaml_mark_t mark = in->event.start_mark;
    bool is_merge = in->event.type == YAML_SCALAR_EVENT &&
                    in->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                    strcmp((const char *)in->event.data.scalar.value, "<<") == 0;
    kst_auto_json struct kst_json *key = NULL, *value = NULL;
    kst_auto_free char *text = NULL;
    int rc = read_node(in, &key);
    if (rc == 0)
        rc = key_text(in, key, &mark, &text);
    if (rc == 0)
        rc = next(in);
    if (rc == 0)
        rc = read_node(in, &value);
    if (rc < 0)
        return rc;
    if (is_merge)
        return merge(in, merges, value, &mark);
    kst_json_set(object, text, kst_take(value)); /* of two with one key, the later one stays */
    return 0;
}

static int read_mapping(struct reader *in, struct kst_json **out)
{
    kst_auto_free char *anchor = kst_strdup((const char *)in->event.data.mapping_start.anchor);
    kst_auto_json struct kst_json *object = kst_json_object(), *merges = kst_json_object();
    int rc = deeper(in);
    if (rc == 0)
        rc = next(in);
    while (rc == 0 && in->event.type != YAML_MAPPING_END_EVENT) {
        rc = read_pair(in, object, merges);
        if (rc == 0)
            rc = next(in);
    }
    if (rc < 0)
        return rc;
    in->depth--;
    merge(in, object, merges, &in->event.start_mark);
    keep_anchor(in, anchor, object);
    *out = kst_take(object);
    return 0;
}

/* The node at the present event; ends at its last event. */
static int read_node(struct reader *in, struct kst_json **out)
{
    switch (in->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(in, out);
    case YAML_SCALAR_EVENT:
        return read_scalar(in, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(in, out);
    case YAML_MAPPING_START_EVENT:
        return read_mapping(in, out);
    default:
        return fail_at(in, &in->event.start_mark, "a value was expected");
    }
}

static void forget_anchors(struct reader *in)
{
    for (size_t i = 0; i < in->nanchors; i++) {
        free(in->anchors[i].name);
        kst_json_free(in->anchors[i].value);
    }
    free(in->anchors);
    in->anchors = NULL;
    in->nanchors = 0;
}

static int read_documents(struct reader *in, struct kst_json *documents)
{
    int rc = next(in);
    while (rc == 0 && in->event.type != YAML_STREAM_END_EVENT) {
        if (in->event.type == YAML_DOCUMENT_START_EVENT) {
            kst_auto_json struct kst_json *value = NULL;
            rc = next(in);
            bool empty = rc == 0 && in->event.type == YAML_SCALAR_EVENT &&
                         in->event.data.scalar.length == 0 &&
                         in->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
            if (rc == 0)
                rc = read_node(in, &value);
            forget_anchors(in);
            if (rc == 0 && !empty)
                kst_json_push(documents, kst_take(value));
        }
        if (rc == 0)
            rc = next(in);
    }
    return rc;
}

int kst_yaml_parse_all(const char *text, size_t len, struct kst_json **documents,
                       struct kst_err **err)
{
    if (len > MAX_TEXT_BYTES)
        return kst_err_set(err, KST_E_LIMIT, "the YAML has %zu bytes; at most %d are allowed", len,
                           MAX_TEXT_BYTES);
    struct reader in = {.err = err};
    if (!yaml_parser_initialize(&in.parser))
        abort();
    yaml_parser_set_input_string(&in.parser, (const unsigned char *)text, len);
    kst_auto_json struct kst_json *all = kst_json_array();
    int rc = read_documents(&in, all);
    forget_anchors(&in);
    if (in.has_event)
        yaml_event_delete(&in.event);
    yaml_parser_delete(&in.parser);
    if (rc == 0)
        *documents = kst_take(all);
    return rc;
}

int kst_yaml_parse(const char *text, size_t len, struct kst_json **out, struct kst_err **err)
{
    kst_auto_json struct kst_json *documents = NULL;
    int rc = kst_yaml_parse_all(text, len, &documents, err);
    if (rc < 0)
        return rc;
    if (kst_json_len(documents) > 1)
        return kst_err_set(err, KST_E_PARSE, "expected one YAML document, found %zu",
                           kst_json_len(documents));
    *out = kst_json_len(documents) ? kst_json_dup(kst_json_at(documents, 0)) : kst_json_null();
    return 0;
}
