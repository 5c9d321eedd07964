/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/merge/typed_shape.h"

#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/merge/typed.h"
#include "sandbox/types/fields.h"

enum { KEY_BYTES = 1 << 16 };

static bool is_object(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_OBJECT;
}

static bool is_array(const struct kst_json *value)
{
    return kst_json_type(value) == KST_JSON_ARRAY;
}

static bool equals(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* ---- Schemas ---- */

bool kst_shape_unreadable(const struct kst_json *schema)
{
    if (is_object(schema) && kst_json_true(kst_json_get(schema, "x-kubernetes-int-or-string")))
        return true;
    for (const struct kst_json *row = kst_json_first(schema); row; row = kst_json_next(row)) {
        if (kst_shape_unreadable(row))
            return true;
    }
    return false;
}

static bool preserves(const struct kst_json *schema)
{
    return kst_json_true(kst_json_get(schema, "x-kubernetes-preserve-unknown-fields"));
}

static bool is_embedded(const struct kst_json *schema)
{
    return kst_json_true(kst_json_get(schema, "x-kubernetes-embedded-resource"));
}

/* Whether it names fields, rather than being a map with keys of the user's. */
static bool has_fields(const struct kst_json *schema)
{
    return kst_json_len(kst_json_get(schema, "properties")) > 0 || is_embedded(schema);
}

static struct kst_shape of_builtin(const struct kst_field *field)
{
    return (struct kst_shape){
        .how = KST_SHAPE_BUILTIN, .type = field ? field->child : NULL, .field = field};
}

static struct kst_shape of_metadata(void)
{
    return (struct kst_shape){.how = KST_SHAPE_BUILTIN, .type = "ObjectMeta"};
}

static struct kst_shape of_schema(const struct kst_json *schema, bool preserve)
{
    struct kst_shape self = {.how = KST_SHAPE_SCHEMA, .schema = schema, .preserve = preserve};
    if (!is_object(schema) || (!kst_json_get(schema, "type") && !has_fields(schema)))
        self = (struct kst_shape){.how = preserve ? KST_SHAPE_DEDUCED : KST_SHAPE_UNTYPED};
    return self;
}

static enum kst_shape_key schema_child(struct kst_shape self, const char *key, bool is_root,
                                       struct kst_shape *child)
{
    bool resource = is_root || is_embedded(self.schema);
    bool preserve = self.preserve || preserves(self.schema);
    const struct kst_json *field = kst_json_get(kst_json_get(self.schema, "properties"), key);
    *child = (struct kst_shape){.how = KST_SHAPE_DEDUCED};
    if (resource && strcmp(key, "metadata") == 0) {
        *child = of_metadata();
        return KST_SHAPE_DECLARED;
    }
    if (resource && (strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0))
        return KST_SHAPE_DECLARED;
    if (field) {
        *child = of_schema(field, preserve);
        return KST_SHAPE_DECLARED;
    }
    if (!has_fields(self.schema) && !is_root) {
        *child = of_schema(kst_json_get(self.schema, "additionalProperties"), self.preserve);
        return KST_SHAPE_FREE;
    }
    return preserve ? KST_SHAPE_FREE : KST_SHAPE_UNKNOWN;
}

/* ---- Shapes ---- */

/* The root of a custom resource is told by its field, which nothing else has. */
static const struct kst_field root_field;

struct kst_shape kst_shape_root(const struct kst_typed *typed)
{
    if (typed->deduced)
        return (struct kst_shape){.how = KST_SHAPE_DEDUCED};
    if (typed->schema)
        return (struct kst_shape){
            .how = KST_SHAPE_SCHEMA, .schema = typed->schema, .field = &root_field};
    struct kst_shape self = {.how = KST_SHAPE_BUILTIN, .type = typed->root};
    if (typed->go) {
        const char *name = strchr(typed->go->name, '.') + 1;
        self.go = (struct kst_go_type){.owner = typed->go, .text = kst_str_of(name)};
    }
    return self;
}

/* The Go type of what is at a key; false where a struct does not have it. */
static bool go_child(struct kst_go_type type, const char *key, struct kst_go_type *child)
{
    const struct kst_go_struct *in = type.owner ? kst_go_struct(type) : NULL;
    struct kst_go_field field;
    if (in && !kst_go_find(in, kst_str_of(key), &field))
        return false;
    if (in)
        *child = field.type;
    else if (type.owner && kst_go_kind(type) == KST_GO_MAP)
        *child = kst_go_entry(type);
    return true;
}

enum kst_shape_relation kst_shape_relation(struct kst_shape self, const struct kst_json *value)
{
    const char *apply = self.field ? self.field->apply : NULL;
    const char *type;
    switch (self.how) {
    case KST_SHAPE_BUILTIN:
        if (is_object(value) && !equals(apply, "atomic"))
            return KST_SHAPE_MAP;
        return is_array(value) && apply && !equals(apply, "atomic") ? KST_SHAPE_LIST
                                                                    : KST_SHAPE_LEAF;
    case KST_SHAPE_SCHEMA:
        type = kst_json_str(kst_json_get(self.schema, is_object(value) ? "x-kubernetes-map-type"
                                                                       : "x-kubernetes-list-type"));
        if (is_object(value))
            return equals(type, "atomic") ? KST_SHAPE_LEAF : KST_SHAPE_MAP;
        return is_array(value) && (equals(type, "set") || equals(type, "map")) ? KST_SHAPE_LIST
                                                                               : KST_SHAPE_LEAF;
    case KST_SHAPE_DEDUCED:
        return is_object(value) ? KST_SHAPE_MAP : KST_SHAPE_LEAF;
    default:
        return KST_SHAPE_LEAF;
    }
}

bool kst_shape_is_atomic(struct kst_shape self)
{
    const char *type = kst_json_str(kst_json_get(self.schema, "type"));
    const char *list = kst_json_str(kst_json_get(self.schema, "x-kubernetes-list-type"));
    switch (self.how) {
    case KST_SHAPE_BUILTIN:
        return self.field && equals(self.field->apply, "atomic");
    case KST_SHAPE_SCHEMA:
        if (equals(type, "array"))
            return !equals(list, "set") && !equals(list, "map");
        return equals(kst_json_str(kst_json_get(self.schema, "x-kubernetes-map-type")), "atomic");
    default:
        return self.how == KST_SHAPE_UNTYPED;
    }
}

enum kst_shape_key kst_shape_child(struct kst_shape self, const char *key, struct kst_shape *child)
{
    const char *entries;
    switch (self.how) {
    case KST_SHAPE_SCHEMA:
        return schema_child(self, key, self.field == &root_field, child);
    case KST_SHAPE_BUILTIN:
        entries = kst_fields_entries(self.type);
        *child = entries ? (struct kst_shape){.how = KST_SHAPE_BUILTIN, .type = entries}
                         : of_builtin(kst_fields_find(self.type, key));
        if (!go_child(self.go, key, &child->go))
            return KST_SHAPE_UNKNOWN;
        return entries ? KST_SHAPE_FREE : KST_SHAPE_DECLARED;
    default:
        *child = (struct kst_shape){.how = self.how};
        return KST_SHAPE_FREE;
    }
}

struct kst_shape kst_shape_entry(struct kst_shape self)
{
    if (self.how == KST_SHAPE_SCHEMA)
        return of_schema(kst_json_get(self.schema, "items"), self.preserve);
    self.field = NULL;
    bool is_list = self.go.owner && kst_go_kind(self.go) == KST_GO_LIST;
    self.go = is_list ? kst_go_entry(self.go) : (struct kst_go_type){0};
    return self;
}

/* ---- Keys of lists ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(kst_json_str(*(const struct kst_json *const *)a),
                  kst_json_str(*(const struct kst_json *const *)b));
}

/* The keys of a schema, sorted; those of the table are. */
static struct kst_json *schema_keys(const struct kst_json *schema)
{
    const struct kst_json *names = kst_json_get(schema, "x-kubernetes-list-map-keys");
    kst_auto_free const struct kst_json **rows = kst_calloc(kst_json_len(names) + 1, sizeof(*rows));
    size_t len = 0;
    for (const struct kst_json *row = kst_json_first(names); row; row = kst_json_next(row)) {
        if (kst_json_str(row))
            rows[len++] = row;
    }
    qsort(rows, len, sizeof(*rows), compare_names);
    struct kst_json *keys = kst_json_array();
    for (size_t i = 0; i < len; i++)
        kst_json_push(keys, kst_json_dup(rows[i]));
    return keys;
}

struct kst_json *kst_shape_keys(struct kst_shape self)
{
    const char *type = kst_json_str(kst_json_get(self.schema, "x-kubernetes-list-type"));
    if (self.how == KST_SHAPE_SCHEMA)
        return equals(type, "set") ? NULL : schema_keys(self.schema);
    if (!self.field || !self.field->apply || equals(self.field->apply, "set"))
        return NULL;
    struct kst_json *keys = kst_json_array();
    struct kst_str rest = kst_str_of(self.field->apply), part;
    while (kst_str_split(&rest, ' ', &part))
        kst_json_push(keys, kst_json_from_strn(part.data, part.len));
    return keys;
}

/* What stands in for a key that an entry lacks, or NULL: in a schema its default; built-in types
 * have their empty values, and TCP. */
static struct kst_json *default_key(struct kst_shape self, const char *name)
{
    if (self.how == KST_SHAPE_SCHEMA) {
        const struct kst_json *items = kst_json_get(self.schema, "items");
        const struct kst_json *field = kst_json_get(kst_json_get(items, "properties"), name);
        const struct kst_json *value = kst_json_get(field, "default");
        return value ? kst_json_dup(value) : NULL;
    }
    if (strcmp(name, "port") == 0 || strcmp(name, "containerPort") == 0)
        return kst_json_from_int(0);
    return kst_json_from_str(strcmp(name, "protocol") == 0 ? "TCP" : "");
}

static char *set_element(const struct kst_json *entry, struct kst_buf *why)
{
    kst_auto_free char *text = kst_json_text(entry);
    if (is_object(entry))
        kst_buf_adds(why, "associative list without keys has an element that's a map type");
    else if (is_array(entry))
        kst_buf_adds(why, "not supported: associative list with lists as elements");
    else if (kst_json_type(entry) == KST_JSON_NULL)
        kst_buf_adds(why, "associative list without keys has an element that's an explicit null");
    else
        return kst_asprintf("v:%s", text);
    return NULL;
}

char *kst_shape_element(struct kst_shape self, const struct kst_json *keys,
                        const struct kst_json *entry, struct kst_buf *why)
{
    if (!keys)
        return set_element(entry, why);
    if (!is_object(entry)) {
        kst_buf_addf(why, "associative list with keys may not have %s",
                     kst_json_type(entry) == KST_JSON_NULL ? "a null element" : "non-map elements");
        return NULL;
    }
    kst_auto_json struct kst_json *values = kst_json_object();
    for (const struct kst_json *row = kst_json_first(keys); row; row = kst_json_next(row)) {
        /* A "!" after the name says that nothing stands in for it. */
        struct kst_str name = kst_str_of(kst_json_str(row));
        bool must_be_given = kst_str_has_suffix(name, "!");
        kst_auto_free char *key = kst_strndup(name.data, name.len - must_be_given);
        const struct kst_json *own = kst_json_get(entry, key);
        struct kst_json *value = own             ? kst_json_dup(own)
                                 : must_be_given ? NULL
                                                 : default_key(self, key);
        if (!value) {
            kst_buf_addf(why,
                         "associative list with keys has an element that omits key field \"%s\" "
                         "(and doesn't have default value)",
                         key);
            return NULL;
        }
        kst_json_set(values, key, value);
    }
    kst_auto_free char *text = kst_json_text(values);
    return kst_asprintf("k:%s", text);
}

/* ---- Values ---- */

/* What is there, in the way that the server prints it. */
static void show(const struct kst_json *value, struct kst_buf *found)
{
    kst_auto_free char *text = kst_json_text(value);
    const char *string = kst_json_str(value);
    kst_buf_addf(found, "&{%s}", string ? string : is_object(value) ? "map[]" : text);
}

/* The type of a built-in kind's value, as a schema has it; NULL for one that reads itself. */
static const char *go_type(struct kst_go_type type)
{
    static const char *const types[] = {
        [KST_GO_STRING] = "string", [KST_GO_BYTES] = "string",  [KST_GO_BOOL] = "boolean",
        [KST_GO_INT32] = "integer", [KST_GO_INT64] = "integer", [KST_GO_FLOAT64] = "number",
        [KST_GO_LIST] = "array",    [KST_GO_MAP] = "object",    [KST_GO_STRUCT] = "object",
        [KST_GO_QUANTITY] = NULL,   [KST_GO_INTSTR] = NULL,     [KST_GO_TIME] = NULL,
        [KST_GO_MICRO] = NULL,      [KST_GO_ANY] = NULL,
    };
    return type.owner ? types[kst_go_kind(type)] : NULL;
}

const char *kst_shape_mismatch(struct kst_shape self, const struct kst_json *value,
                               struct kst_buf *found)
{
    bool builtin = self.how == KST_SHAPE_BUILTIN;
    if ((self.how != KST_SHAPE_SCHEMA && !builtin) || kst_json_type(value) == KST_JSON_NULL)
        return NULL;
    const char *type = builtin ? go_type(self.go) : kst_json_str(kst_json_get(self.schema, "type"));
    if (builtin && !type)
        return NULL;
    enum kst_json_type is = kst_json_type(value);
    kst_auto_free char *text = kst_json_text(value);
    if (self.field == &root_field || equals(type, "object") || (!type && has_fields(self.schema))) {
        show(value, found);
        return is == KST_JSON_OBJECT ? NULL : "map";
    }
    if (equals(type, "array")) {
        show(value, found);
        return is == KST_JSON_ARRAY ? NULL : "list";
    }
    if (equals(type, "string")) {
        kst_buf_addf(found, "&value.valueUnstructured{Value:%s}",
                     is_object(value) ? "map[string]interface {}{}" : text);
        return is == KST_JSON_STRING ? NULL : "string";
    }
    if (equals(type, "boolean")) {
        show(value, found);
        return is == KST_JSON_BOOL ? NULL : "boolean";
    }
    kst_buf_adds(found, "*value.valueUnstructured");
    return is == KST_JSON_NUMBER ? NULL : "numeric (int or float)";
}

static bool is_scalar(const char *type)
{
    return equals(type, KST_FIELDS_STRING) || equals(type, KST_FIELDS_QUANTITY);
}

bool kst_shape_owns_nothing(struct kst_shape self, const struct kst_json *value)
{
    if (kst_json_type(value) != KST_JSON_NULL)
        return false;
    const char *type = kst_json_str(kst_json_get(self.schema, "type"));
    const char *relation;
    switch (self.how) {
    case KST_SHAPE_BUILTIN:
        return (self.type && !is_scalar(self.type)) ||
               (self.field && self.field->apply && !equals(self.field->apply, "atomic"));
    case KST_SHAPE_SCHEMA:
        relation = kst_json_str(kst_json_get(self.schema, equals(type, "array")
                                                              ? "x-kubernetes-list-type"
                                                              : "x-kubernetes-map-type"));
        if (equals(type, "array"))
            return equals(relation, "set") || equals(relation, "map");
        return equals(type, "object") && !equals(relation, "atomic");
    default:
        return self.how == KST_SHAPE_DEDUCED;
    }
}

struct kst_json *kst_shape_null(struct kst_shape self)
{
    if (self.how != KST_SHAPE_BUILTIN)
        return kst_json_null();
    if (equals(self.type, KST_FIELDS_STRING))
        return kst_json_from_str("");
    return equals(self.type, KST_FIELDS_QUANTITY) ? kst_json_from_str("0") : NULL;
}

static void complete(struct kst_json *object, const struct kst_json *zero)
{
    for (const struct kst_json *row = kst_json_first(zero); row; row = kst_json_next(row)) {
        struct kst_json *own = kst_json_mut(object, kst_json_key(row));
        if (!own)
            kst_json_set(object, kst_json_key(row), kst_json_dup(row));
        else if (is_object(own) && is_object(row))
            complete(own, row);
    }
}

struct kst_json *kst_shape_complete(const struct kst_json *object, const struct kst_json *zero)
{
    struct kst_json *copy = is_object(object) ? kst_json_dup(object) : kst_json_object();
    complete(copy, zero);
    return copy;
}
