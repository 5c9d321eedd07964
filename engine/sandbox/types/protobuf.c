/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/types/protobuf.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/types/decode_internal.h"

enum { MAX_DEPTH = 64, MAX_TEXT_BYTES = 4 * 1024 * 1024 };

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* What is left of a message. */
struct message {
    const char *at, *end;
    int depth;
    struct kst_err **err;
};

/* A value as it stands there. */
struct value {
    int number;
    enum wire wire;
    uint64_t integer; /* of VARINT, FIXED64 and FIXED32 */
    struct kst_str bytes;
};

static int broken(const struct message *in, const char *what)
{
    return kst_err_set(in->err, KST_E_PARSE, "proto: %s", what);
}

static int read_varint(struct message *in, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (in->at == in->end)
            return broken(in, "unexpected EOF");
        unsigned char byte = (unsigned char)*in->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return 0;
    }
    return broken(in, "integer overflow");
}

static int read_bytes(struct message *in, uint64_t len, struct kst_str *out)
{
    if (len > (uint64_t)(in->end - in->at))
        return broken(in, "unexpected EOF");
    *out = (struct kst_str){.data = in->at, .len = (size_t)len};
    in->at += len;
    return 0;
}

static int read_value(struct message *in, struct value *out)
{
    uint64_t key = 0, len = 0;
    int rc = read_varint(in, &key);
    if (rc < 0)
        return rc;
    if (key >> 3 == 0 || key >> 3 > INT32_MAX)
        return broken(in, "illegal tag");
    *out = (struct value){
        .number = (int)(key >> 3), .wire = (enum wire)(key & 7), .bytes = {.data = ""}};
    switch (out->wire) {
    case VARINT:
        return read_varint(in, &out->integer);
    case BYTES:
        rc = read_varint(in, &len);
        return rc < 0 ? rc : read_bytes(in, len, &out->bytes);
    case FIXED64:
    case FIXED32:
        rc = read_bytes(in, out->wire == FIXED64 ? 8 : 4, &out->bytes);
        if (rc == 0)
            memcpy(&out->integer, out->bytes.data, out->bytes.len); /* little-endian */
        return rc;
    }
    return broken(in, "illegal wire type");
}

static struct message inside(const struct message *in, struct kst_str bytes)
{
    return (struct message){
        .at = bytes.data, .end = bytes.data + bytes.len, .depth = in->depth + 1, .err = in->err};
}

/* ---- fields ---- */

struct field {
    bool pointer, embedded;
    struct kst_str name; /* the key, or the embedded struct's */
};

static int compare_names(const void *name, const void *row)
{
    return strcmp(name, ((const struct kst_protobuf_struct *)row)->name);
}

/* Every kind has its metadata first. */
static const char *numbers_of(const struct kst_go_struct *type)
{
    const struct kst_protobuf_struct *found = bsearch(
        type->name, kst_protobuf_structs, kst_protobuf_struct_count, sizeof(*found), compare_names);
    return found ? found->fields : "";
}

static bool find_field(const struct kst_go_struct *type, int number, struct field *out)
{
    struct kst_str rest = kst_str_of(numbers_of(type)), token;
    while (kst_str_split(&rest, ' ', &token)) {
        char *end;
        if (strtol(token.data, &end, 10) != number)
            continue;
        out->pointer = *end == '*';
        out->embedded = *end == '<';
        end += out->pointer || out->embedded;
        out->name = (struct kst_str){.data = end, .len = token.len - (size_t)(end - token.data)};
        return true;
    }
    if (number != 1 || !strchr(type->fields, '@'))
        return false;
    *out = (struct field){.name = kst_str_of("metadata")};
    return true;
}

/* ---- values ---- */

static int read_struct(struct message *in, const struct kst_go_struct *type, struct kst_json *out);
static int read_one(struct message *in, struct kst_go_type type, const struct value *value,
                    struct kst_json **out);

/* Messages of one or two integers or texts: times, IntOrString, a Quantity, raw JSON. */
struct pair {
    uint64_t integers[4];
    struct kst_str texts[4];
    bool any;
};

static int read_pair(struct message *in, struct pair *out)
{
    struct value value;
    *out = (struct pair){0};
    while (in->at < in->end) {
        int rc = read_value(in, &value);
        if (rc < 0)
            return rc;
        if (value.number >= 1 && value.number <= 3) {
            out->any = true;
            out->integers[value.number] = value.integer;
            out->texts[value.number] = value.bytes;
        }
    }
    return 0;
}

static struct kst_json *time_of(const struct pair *pair, bool micro)
{
    char text[KST_TIME_TEXT];
    int64_t seconds = (int64_t)pair->integers[1];
    /* What is beyond the year 9999 cannot be printed. */
    if (!pair->any || seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799))
        return NULL;
    if (micro)
        kst_time_format_micro(seconds * 1000000 + (int64_t)pair->integers[2] % 1000000000 / 1000,
                              text);
    else
        kst_time_format(seconds * 1000, text);
    return kst_json_from_str(text);
}

/* NULL in *out: nothing was said. */
static int read_special(struct message *in, enum kst_go_kind kind, struct kst_json **out)
{
    struct pair pair;
    int rc = read_pair(in, &pair);
    *out = NULL;
    if (rc < 0 || !pair.any)
        return rc;
    if (kind == KST_GO_TIME || kind == KST_GO_MICRO)
        *out = time_of(&pair, kind == KST_GO_MICRO);
    else if (kind == KST_GO_QUANTITY)
        *out = kst_json_from_strn(pair.texts[1].data, pair.texts[1].len);
    else if (kind == KST_GO_INTSTR)
        *out = pair.integers[1] == 1 ? kst_json_from_strn(pair.texts[3].data, pair.texts[3].len)
                                     : kst_json_from_int((int32_t)pair.integers[2]);
    else if (pair.texts[1].len > 0)
        return kst_json_parse(pair.texts[1].data, pair.texts[1].len, out, in->err);
    return 0;
}

static struct kst_json *base64_of(struct kst_str bytes)
{
    kst_auto_buf text = KST_BUF_INIT(MAX_TEXT_BYTES * 2);
    kst_base64_encode(&text, bytes.data, bytes.len);
    return kst_json_from_str(text.data ? text.data : "");
}

static struct kst_json *double_of(uint64_t bits)
{
    double number;
    char text[64];
    memcpy(&number, &bits, sizeof(number));
    snprintf(text, sizeof(text), "%.17g", number);
    return kst_json_is_number(text) ? kst_json_from_number(text) : kst_json_from_int(0);
}

/* What a field holds must come in the form that its type has. */
static int check_wire(const struct message *in, enum kst_go_kind kind, enum wire wire)
{
    enum wire wanted = BYTES;
    if (kind == KST_GO_BOOL || kind == KST_GO_INT32 || kind == KST_GO_INT64)
        wanted = VARINT;
    else if (kind == KST_GO_FLOAT64)
        wanted = FIXED64;
    return wire == wanted ? 0 : broken(in, "wrong wire type");
}

static int read_one(struct message *in, struct kst_go_type type, const struct value *value,
                    struct kst_json **out)
{
    enum kst_go_kind kind = kst_go_kind(type);
    struct message inner = inside(in, value->bytes);
    *out = NULL;
    int rc = check_wire(in, kind, value->wire);
    if (rc < 0)
        return rc;
    switch (kind) {
    case KST_GO_STRING:
        *out = kst_json_from_strn(value->bytes.data, value->bytes.len);
        return 0;
    case KST_GO_BOOL:
        *out = kst_json_bool(value->integer != 0);
        return 0;
    case KST_GO_INT32:
    case KST_GO_INT64:
        *out = kst_json_from_int((int64_t)value->integer);
        return 0;
    case KST_GO_FLOAT64:
        *out = double_of(value->integer);
        return 0;
    case KST_GO_BYTES:
        *out = base64_of(value->bytes);
        return 0;
    case KST_GO_LIST: { /* a list in a map is a message of its own */
        struct value entry;
        *out = kst_json_array();
        while (rc == 0 && inner.at < inner.end) {
            struct kst_json *one = NULL;
            rc = read_value(&inner, &entry);
            if (rc == 0)
                rc = read_one(&inner, kst_go_entry(type), &entry, &one);
            if (one)
                kst_json_push(*out, one);
        }
        break;
    }
    case KST_GO_STRUCT:
        *out = kst_json_object();
        rc = kst_go_struct(type) ? read_struct(&inner, kst_go_struct(type), *out) : 0;
        break;
    default:
        return read_special(&inner, kind, out);
    }
    if (rc < 0) {
        kst_json_free(*out);
        *out = NULL;
    }
    return rc;
}

static int read_map_entry(struct message *in, struct kst_go_type type, struct kst_json *map)
{
    kst_auto_free char *key = kst_strdup("");
    struct value value;
    kst_auto_json struct kst_json *held = NULL;
    while (in->at < in->end) {
        int rc = read_value(in, &value);
        if (rc < 0)
            return rc;
        if (value.number == 1) {
            free(key);
            key = kst_json_raw_text(value.bytes.data, value.bytes.len);
        } else if (value.number == 2) {
            kst_json_free(kst_take(held));
            rc = read_one(in, type, &value, &held);
            if (rc < 0)
                return rc;
        }
    }
    kst_json_set(map, key, held ? kst_take(held) : kst_json_from_str(""));
    return 0;
}

static bool is_zero(const struct kst_json *value)
{
    int64_t number = 0;
    switch (kst_json_type(value)) {
    case KST_JSON_BOOL:
        return !kst_json_true(value);
    case KST_JSON_NUMBER:
        return kst_json_int(value, &number) && number == 0;
    case KST_JSON_STRING:
        return !*kst_json_str(value);
    default:
        return false;
    }
}

static int read_field(struct message *in, const struct kst_go_struct *owner,
                      const struct field *field, const struct value *value, struct kst_json *out)
{
    struct kst_go_field known;
    kst_auto_free char *key = kst_strndup(field->name.data, field->name.len);
    kst_auto_json struct kst_json *one = NULL;
    if (!kst_go_find(owner, field->name, &known))
        return 0;
    enum kst_go_kind kind = kst_go_kind(known.type);
    bool list = kind == KST_GO_LIST;
    if (kind == KST_GO_MAP) {
        struct message inner = inside(in, value->bytes);
        return value->wire != BYTES ? broken(in, "wrong wire type")
                                    : read_map_entry(&inner, kst_go_entry(known.type),
                                                     kst_json_ensure_object(out, key));
    }
    int rc = read_one(in, list ? kst_go_entry(known.type) : known.type, value, &one);
    if (rc < 0 || !one)
        return rc;
    if (list)
        kst_json_push(kst_json_ensure_array(out, key), kst_take(one));
    else if (field->pointer || !is_zero(one))
        kst_json_set(out, key, kst_take(one));
    return 0;
}

static int read_struct(struct message *in, const struct kst_go_struct *type, struct kst_json *out)
{
    struct value value;
    struct field field;
    if (in->depth > MAX_DEPTH)
        return broken(in, "too deep");
    while (in->at < in->end) {
        int rc = read_value(in, &value);
        if (rc < 0)
            return rc;
        if (!find_field(type, value.number, &field))
            continue;
        if (!field.embedded) {
            rc = read_field(in, type, &field, &value, out);
        } else if (value.wire == BYTES) {
            struct message inner = inside(in, value.bytes);
            const struct kst_go_type name = {.owner = type, .text = field.name};
            rc = kst_go_struct(name) ? read_struct(&inner, kst_go_struct(name), out) : 0;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- the envelope: k8s.io/apimachinery/pkg/runtime.Unknown ---- */

static int read_envelope(struct message *in, struct kst_json *object, struct kst_str *raw)
{
    struct value value;
    struct pair type = {0};
    while (in->at < in->end) {
        int rc = read_value(in, &value);
        if (rc == 0 && value.number == 1) {
            struct message inner = inside(in, value.bytes);
            rc = read_pair(&inner, &type);
        }
        if (rc < 0)
            return rc;
        if (value.number == 2)
            *raw = value.bytes;
    }
    static const char *const keys[] = {NULL, "apiVersion", "kind"};
    for (int i = 1; i <= 2; i++)
        kst_json_set(object, keys[i], kst_json_from_strn(type.texts[i].data, type.texts[i].len));
    return 0;
}

static const struct kst_go_struct *type_of(const struct kst_json *object)
{
    const char *api_version = kst_json_path_str(object, "apiVersion");
    const char *slash = strchr(api_version, '/');
    kst_auto_free char *group = kst_strndup(api_version, slash ? (size_t)(slash - api_version) : 0);
    return kst_decode_type(group, slash ? slash + 1 : api_version,
                           kst_json_path_str(object, "kind"));
}

int kst_protobuf_decode(const char *data, size_t len, struct kst_json **out, struct kst_err **err)
{
    static const char magic[] = {'k', '8', 's', '\0'};
    struct message in = {.at = data, .end = data + len, .err = err};
    struct kst_str raw = {.data = "", .len = 0};
    kst_auto_json struct kst_json *object = kst_json_object();
    if (len < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
        return kst_err_set(err, KST_E_PARSE,
                           "provided data does not appear to be a protobuf "
                           "message");
    in.at += sizeof(magic);
    int rc = read_envelope(&in, object, &raw);
    if (rc < 0)
        return rc;
    const struct kst_go_struct *type = type_of(object);
    struct message inner = inside(&in, raw);
    if (type)
        rc = read_struct(&inner, type, object);
    if (rc == 0)
        *out = kst_take(object);
    return rc;
}
