/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/types.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "lua/embedded.h"

/* A text that is read from its beginning. */
struct reader {
    struct kst_types *types;
    const char *at, *end;
};

/* What the annotations before a declaration said. */
struct pending {
    struct kst_type *parameters, *results;
    struct kst_class *class; /* the last that was declared */
};

/* The variable of the file that stands for a class. */
struct variable {
    char name[32];
    struct kst_class *class;
};
enum { VARIABLES = 16, WORDS_BYTES = 4096 };

struct file {
    struct kst_types *types;
    struct pending pending;
    struct variable variables[VARIABLES];
    size_t nvariables;
};

static struct kst_type *read_type(struct reader *self);

/* ---- making them ---- */

struct kst_type *kst_types_add(struct kst_types *self, enum kst_type_kind kind)
{
    struct kst_type *type = kst_arena_alloc(&self->arena, sizeof(*type));
    type->kind = kind;
    return type;
}

struct kst_type *kst_types_of_class(struct kst_types *self, struct kst_class *class)
{
    struct kst_type *type = kst_types_add(self, KST_TYPE_CLASS);
    type->class = class;
    return type;
}

struct kst_class *kst_types_class(const struct kst_types *self, const char *name)
{
    for (struct kst_class *class = self->classes; class; class = class->next) {
        if (strcmp(class->name, name) == 0)
            return class;
    }
    return NULL;
}

struct kst_class *kst_types_add_class(struct kst_types *self, const char *name)
{
    struct kst_class *class = kst_arena_alloc(&self->arena, sizeof(*class));
    class->name = kst_arena_strndup(&self->arena, name, strlen(name));
    class->next = self->classes;
    self->classes = class;
    return class;
}

struct kst_field *kst_class_field(const struct kst_class *self, const char *name)
{
    for (; self; self = self->parent) {
        for (struct kst_field *field = self->fields; field; field = field->next) {
            if (strcmp(field->name, name) == 0)
                return field;
        }
    }
    return NULL;
}

struct kst_field *kst_class_add(struct kst_types *types, struct kst_class *self, const char *name,
                                const struct kst_type *type)
{
    struct kst_field *field = kst_arena_alloc(&types->arena, sizeof(*field)), **end = &self->fields;
    field->name = kst_arena_strndup(&types->arena, name, strlen(name));
    field->type = type;
    while (*end)
        end = &(*end)->next;
    *end = field;
    return field;
}

/* ---- reading them ---- */

static void skip_spaces(struct reader *self)
{
    while (self->at < self->end && *self->at == ' ')
        self->at++;
}

static bool take(struct reader *self, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(self->end - self->at) < len || memcmp(self->at, text, len) != 0)
        return false;
    self->at += len;
    return true;
}

/* A name, with the dots of classes; the arena's. */
static char *read_name(struct reader *self)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
    const char *start = self->at;
    if (take(self, "..."))
        return kst_arena_strndup(&self->types->arena, "...", 3);
    while (self->at < self->end && strchr(letters, *self->at) && *self->at)
        self->at++;
    return kst_arena_strndup(&self->types->arena, start, (size_t)(self->at - start));
}

static struct kst_type *read_named(struct reader *self)
{
    static const struct {
        const char *name;
        enum kst_type_kind kind;
    } plain[] = {{"any", KST_TYPE_ANY},         {"nil", KST_TYPE_NIL},
                 {"boolean", KST_TYPE_BOOLEAN}, {"string", KST_TYPE_STRING},
                 {"number", KST_TYPE_NUMBER},   {"integer", KST_TYPE_INTEGER},
                 {"table", KST_TYPE_TABLE},     {"function", KST_TYPE_FUNCTION},
                 {"T", KST_TYPE_ANY},           {"kassette.Duration", KST_TYPE_DURATION}};
    const char *name = read_name(self);
    for (size_t i = 0; i < KST_ARRAY_LEN(plain); i++) {
        if (strcmp(plain[i].name, name) == 0)
            return kst_types_add(self->types, plain[i].kind);
    }
    struct kst_class *class = kst_types_class(self->types, name);
    if (!class && *name) /* declared later */
        class = kst_types_add_class(self->types, name);
    assert(class);
    return kst_types_of_class(self->types, class);
}

/* "name?: type, …" up to `end`, each given to `add`. */
static void read_members(struct reader *self, const char *end,
                         void (*add)(struct kst_types *types, void *arg, const char *name,
                                     bool optional, struct kst_type *type),
                         void *arg)
{
    while (skip_spaces(self), !take(self, end)) {
        const char *name = read_name(self);
        bool optional = take(self, "?");
        struct kst_type *type = NULL;
        assert(*name);
        if (take(self, ":"))
            type = read_type(self);
        else
            type = kst_types_add(self->types, KST_TYPE_ANY);
        add(self->types, arg, name, optional, type);
        skip_spaces(self);
        take(self, ",");
    }
}

static void append(struct kst_type **list, struct kst_type *type)
{
    while (*list)
        list = &(*list)->next;
    *list = type;
}

static void add_parameter(struct kst_types *types, void *arg, const char *name, bool optional,
                          struct kst_type *type)
{
    struct kst_type *own = kst_types_add(types, type->kind);
    *own = *type; /* one type may be in several lists */
    own->next = NULL;
    own->optional = optional || type->optional;
    own->variadic = strcmp(name, "...") == 0;
    append(arg, own);
}

static void add_member(struct kst_types *types, void *arg, const char *name, bool optional,
                       struct kst_type *type)
{
    kst_class_add(types, arg, name, type)->optional = optional || type->optional;
}

static struct kst_type *read_fun(struct reader *self)
{
    struct kst_type *fun = kst_types_add(self->types, KST_TYPE_FUN);
    read_members(self, ")", add_parameter, &fun->a);
    if (take(self, ":"))
        fun->b = read_type(self);
    return fun;
}

static struct kst_type *read_table(struct reader *self)
{
    struct kst_type *map = kst_types_add(self->types, KST_TYPE_MAP);
    map->a = read_type(self);
    take(self, ",");
    map->b = read_type(self);
    take(self, ">");
    return map;
}

static struct kst_type *read_object(struct reader *self)
{
    struct kst_class *class = kst_types_add_class(self->types, "table");
    read_members(self, "}", add_member, class);
    return kst_types_of_class(self->types, class);
}

static struct kst_type *read_literal(struct reader *self)
{
    struct kst_type *type = kst_types_add(self->types, KST_TYPE_LITERAL);
    const char *start = self->at;
    while (self->at < self->end && *self->at != '"')
        self->at++;
    type->text = kst_arena_strndup(&self->types->arena, start, (size_t)(self->at - start));
    take(self, "\"");
    return type;
}

static struct kst_type *read_one(struct reader *self)
{
    struct kst_type *type;
    skip_spaces(self);
    if (take(self, "(")) {
        type = read_type(self);
        take(self, ")");
    } else if (take(self, "fun(")) {
        type = read_fun(self);
    } else if (take(self, "table<")) {
        type = read_table(self);
    } else if (take(self, "{")) {
        type = read_object(self);
    } else if (take(self, "\"")) {
        type = read_literal(self);
    } else {
        type = read_named(self);
    }
    while (take(self, "[]")) {
        struct kst_type *list = kst_types_add(self->types, KST_TYPE_LIST);
        list->a = type;
        type = list;
    }
    if (take(self, "?"))
        type->optional = true;
    return type;
}

static struct kst_type *read_type(struct reader *self)
{
    struct kst_type *type = read_one(self);
    if (self->at == self->end || *self->at != '|')
        return type;
    struct kst_type *all = kst_types_add(self->types, KST_TYPE_UNION);
    append(&all->a, type);
    while (take(self, "|"))
        append(&all->a, read_one(self));
    return all;
}

/* ---- files ---- */

static struct kst_class *class_of(const struct file *self, const char *name)
{
    for (size_t i = self->nvariables; i > 0; i--) {
        if (strcmp(self->variables[i - 1].name, name) == 0)
            return self->variables[i - 1].class;
    }
    return NULL;
}

static void read_class(struct file *self, struct reader *line)
{
    const char *name = read_name(line);
    struct kst_class *class = kst_types_class(self->types, name);
    self->pending.class = class ? class : kst_types_add_class(self->types, name);
    if (take(line, ":")) {
        skip_spaces(line);
        const char *parent = read_name(line);
        self->pending.class->parent = kst_types_class(self->types, parent);
        assert(self->pending.class->parent);
    }
}

static void read_field(struct file *self, struct reader *line)
{
    const char *name = read_name(line);
    bool optional = take(line, "?");
    assert(self->pending.class && *name);
    struct kst_type *type = read_type(line);
    add_member(self->types, self->pending.class, name, optional, type);
}

static void read_parameter(struct file *self, struct reader *line)
{
    const char *name = read_name(line);
    bool optional = take(line, "?");
    struct kst_type *type = read_type(line);
    add_parameter(self->types, &self->pending.parameters, name, optional, type);
}

/* "function Class:name(" and "function Class.name(" */
static void read_function(struct file *self, struct reader *line)
{
    const char *start = line->at;
    while (line->at < line->end && *line->at != ':' && *line->at != '.')
        line->at++;
    kst_auto_free char *variable = kst_strndup(start, (size_t)(line->at - start));
    struct kst_class *class = class_of(self, variable);
    assert(class && line->at < line->end);
    bool is_method = *line->at++ == ':';
    struct kst_type *fun = kst_types_add(self->types, KST_TYPE_FUN);
    fun->a = self->pending.parameters;
    fun->b = self->pending.results;
    fun->is_declared = true;
    kst_class_add(self->types, class, read_name(line), fun)->is_method = is_method;
    self->pending.parameters = self->pending.results = NULL;
}

/* "local Class = {}" */
static void read_variable(struct file *self, struct reader *line)
{
    struct variable *variable = &self->variables[self->nvariables++];
    assert(self->nvariables < VARIABLES && self->pending.class);
    snprintf(variable->name, sizeof(variable->name), "%s", read_name(line));
    variable->class = self->pending.class;
}

static void read_line(struct file *self, struct reader *line)
{
    if (take(line, "---@class "))
        read_class(self, line);
    else if (take(line, "---@field "))
        read_field(self, line);
    else if (take(line, "---@param "))
        read_parameter(self, line);
    else if (take(line, "---@return "))
        append(&self->pending.results, read_type(line));
    else if (take(line, "function "))
        read_function(self, line);
    else if (take(line, "local "))
        read_variable(self, line);
}

void kst_types_read(struct kst_types *self, const char *text, size_t len)
{
    struct file file = {.types = self};
    struct kst_str rest = {text, len}, line;
    while (kst_str_split(&rest, '\n', &line)) {
        struct reader reader = {self, line.data, line.data + line.len};
        read_line(&file, &reader);
    }
}

void kst_types_load(struct kst_types *self)
{
    *self = (struct kst_types){0};
    size_t count = 0;
    for (const struct kst_embedded_file *file = kst_embedded; file->path; file++) {
        if (!kst_str_has_prefix(kst_str_of(file->path), "lua/types/"))
            continue;
        kst_types_read(self, (const char *)file->data, file->size);
        count++;
    }
    assert(count > 0);
}

void kst_types_release(struct kst_types *self)
{
    kst_arena_release(&self->arena);
    *self = (struct kst_types){0};
}

/* ---- in words ---- */

static void add_words(struct kst_buf *out, const struct kst_type *type, bool many)
{
    static const struct {
        const char *one, *many;
    } words[] = {
        [KST_TYPE_ANY] = {"any value", "any values"},
        [KST_TYPE_NIL] = {"nil", "nil"},
        [KST_TYPE_BOOLEAN] = {"a boolean", "booleans"},
        [KST_TYPE_STRING] = {"a string", "strings"},
        [KST_TYPE_NUMBER] = {"a number", "numbers"},
        [KST_TYPE_INTEGER] = {"a whole number", "whole numbers"},
        [KST_TYPE_TABLE] = {"a table", "tables"},
        [KST_TYPE_FUNCTION] = {"a function", "functions"},
        [KST_TYPE_DURATION] = {"a duration such as \"30s\" (or seconds)", "durations"},
        [KST_TYPE_FUN] = {"a function", "functions"},
    };
    if (type->kind == KST_TYPE_LITERAL) {
        kst_buf_addf(out, "\"%s\"", type->text);
    } else if (type->kind == KST_TYPE_CLASS) {
        kst_buf_addf(out, many ? "tables" : "a %s", type->class->name);
    } else if (type->kind == KST_TYPE_LIST) {
        kst_buf_adds(out, many ? "lists of " : "a list of ");
        add_words(out, type->a, true);
    } else if (type->kind == KST_TYPE_MAP) {
        kst_buf_adds(out, many ? "tables" : "a table of ");
        if (!many)
            add_words(out, type->b, true);
    } else if (type->kind == KST_TYPE_UNION) {
        for (const struct kst_type *one = type->a; one; one = one->next) {
            add_words(out, one, many);
            kst_buf_adds(out, !one->next ? "" : one->next->next ? ", " : " or ");
        }
    } else {
        kst_buf_adds(out, many ? words[type->kind].many : words[type->kind].one);
    }
}

const char *kst_type_words(struct kst_types *self, const struct kst_type *type)
{
    kst_auto_buf out = KST_BUF_INIT(WORDS_BYTES);
    add_words(&out, type, false);
    return kst_arena_strndup(&self->arena, out.data, out.len);
}
