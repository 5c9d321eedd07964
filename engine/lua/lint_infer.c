/* SPDX-License-Identifier: Apache-2.0 */
/* Of which type an expression is, as far as that is sure. */
#include <string.h>

#include "base/mem.h"
#include "lua/lint_internal.h"

const struct kst_type *kst_lint_plain(enum kst_type_kind kind)
{
    static const struct kst_type types[] = {
        [KST_TYPE_ANY] = {.kind = KST_TYPE_ANY},
        [KST_TYPE_NIL] = {.kind = KST_TYPE_NIL},
        [KST_TYPE_BOOLEAN] = {.kind = KST_TYPE_BOOLEAN},
        [KST_TYPE_STRING] = {.kind = KST_TYPE_STRING},
        [KST_TYPE_NUMBER] = {.kind = KST_TYPE_NUMBER},
        [KST_TYPE_INTEGER] = {.kind = KST_TYPE_INTEGER},
        [KST_TYPE_TABLE] = {.kind = KST_TYPE_TABLE},
        [KST_TYPE_FUNCTION] = {.kind = KST_TYPE_FUNCTION},
    };
    return &types[kind];
}

struct kst_class *kst_lint_class(const struct kst_type *type)
{
    if (type && type->kind == KST_TYPE_UNION) {
        struct kst_class *only = NULL;
        for (const struct kst_type *one = type->a; one; one = one->next) {
            if (one->kind == KST_TYPE_CLASS && only)
                return NULL;
            if (one->kind == KST_TYPE_CLASS)
                only = one->class;
        }
        return only;
    }
    return type && type->kind == KST_TYPE_CLASS ? type->class : NULL;
}

static bool same(const struct kst_type *a, const struct kst_type *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case KST_TYPE_CLASS:
        return a->class == b->class;
    case KST_TYPE_LIST:
        return same(a->a, b->a);
    case KST_TYPE_MAP:
        return same(a->a, b->a) && same(a->b, b->b);
    case KST_TYPE_LITERAL:
        return strcmp(a->text, b->text) == 0;
    case KST_TYPE_UNION:
    case KST_TYPE_FUN:
        return false;
    default:
        return true;
    }
}

static bool is_text(const struct kst_type *type)
{
    return type->kind == KST_TYPE_STRING || type->kind == KST_TYPE_LITERAL;
}

const struct kst_type *kst_lint_join(struct kst_lint_walk *self, const struct kst_type *a,
                                     const struct kst_type *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->kind == KST_TYPE_NIL || same(a, b))
        return a;
    if (a->kind == KST_TYPE_NIL)
        return b;
    if (is_text(a) && is_text(b))
        return kst_lint_plain(KST_TYPE_STRING);
    return kst_lint_plain(KST_TYPE_ANY);
}

static bool is_table(const struct kst_type *type)
{
    return type->kind == KST_TYPE_TABLE || type->kind == KST_TYPE_CLASS ||
           type->kind == KST_TYPE_LIST || type->kind == KST_TYPE_MAP;
}

static bool is_function(const struct kst_type *type)
{
    return type->kind == KST_TYPE_FUN || type->kind == KST_TYPE_FUNCTION;
}

static bool is_number(const struct kst_type *type)
{
    return type->kind == KST_TYPE_NUMBER || type->kind == KST_TYPE_INTEGER;
}

bool kst_lint_misfits(const struct kst_type *found, const struct kst_type *wanted)
{
    if (!found || !wanted || found->kind == KST_TYPE_ANY || wanted->kind == KST_TYPE_ANY ||
        found->kind == KST_TYPE_UNION || found->kind == KST_TYPE_DURATION)
        return false;
    if (found->kind == KST_TYPE_NIL)
        return false; /* left out */
    switch (wanted->kind) {
    case KST_TYPE_UNION:
        for (const struct kst_type *one = wanted->a; one; one = one->next) {
            if (!kst_lint_misfits(found, one))
                return false;
        }
        return true;
    case KST_TYPE_CLASS:
        return !is_table(found) || (found->kind == KST_TYPE_CLASS && found->class != wanted->class);
    case KST_TYPE_LIST:
        return !is_table(found) || found->kind == KST_TYPE_CLASS ||
               (found->kind == KST_TYPE_LIST && kst_lint_misfits(found->a, wanted->a));
    case KST_TYPE_MAP:
    case KST_TYPE_TABLE:
        return !is_table(found);
    case KST_TYPE_FUN:
    case KST_TYPE_FUNCTION:
        return !is_function(found);
    case KST_TYPE_NUMBER:
    case KST_TYPE_INTEGER: /* what a number is can be known when it is there only */
        return !is_number(found);
    case KST_TYPE_DURATION:
        return !is_number(found) && !is_text(found);
    case KST_TYPE_LITERAL:
        return found->kind == KST_TYPE_LITERAL ? strcmp(found->text, wanted->text) != 0
                                               : !is_text(found);
    case KST_TYPE_STRING:
        return !is_text(found);
    default:
        return found->kind != wanted->kind;
    }
}

bool kst_lint_is_global(const struct kst_node *node, const char *name)
{
    return node && node->kind == KST_NODE_NAME && !node->local && strcmp(node->text, name) == 0;
}

/* ---- functions of the text itself ---- */

static const struct kst_node *expression_at(const struct kst_node *list, unsigned index,
                                            unsigned *rest)
{
    for (; list && list->next && index > 0; index--)
        list = list->next;
    *rest = index;
    return list;
}

static void join_returns(struct kst_lint_walk *self, const struct kst_node *list, unsigned index,
                         const struct kst_type **type);

static void join_block(struct kst_lint_walk *self, const struct kst_node *block, unsigned index,
                       const struct kst_type **type)
{
    if (block && block->kind == KST_NODE_BLOCK)
        join_returns(self, block->a, index, type);
}

/* What the RETURNs in these statements give as their result `index`, joined into *type. */
static void join_returns(struct kst_lint_walk *self, const struct kst_node *list, unsigned index,
                         const struct kst_type **type)
{
    for (const struct kst_node *node = list; node; node = node->next) {
        if (node->kind == KST_NODE_RETURN) {
            unsigned rest;
            const struct kst_node *value = expression_at(node->a, index, &rest);
            const struct kst_type *one = value ? kst_lint_infer(self, value, rest)
                                               : kst_lint_plain(KST_TYPE_NIL);
            *type = kst_lint_join(self, *type, one);
        } else if (node->kind == KST_NODE_IF) {
            for (const struct kst_node *clause = node->a; clause; clause = clause->next)
                join_block(self, clause->b, index, type);
        } else {
            join_block(self, node->a, index, type);
            join_block(self, node->b, index, type);
            join_block(self, node->c, index, type);
        }
    }
}

/* Remembered for the pass: functions that return each other's results would be gone through again
 * and again. */
static const struct kst_type *result_of(struct kst_lint_walk *self, struct kst_local *local,
                                        unsigned index)
{
    if (index >= KST_LOCAL_RESULTS || local->writes || local->visiting ||
        self->infer_depth > KST_LINT_INFER_DEPTH)
        return NULL;
    if (local->results_pass != self->pass) {
        local->results_pass = self->pass;
        local->visiting = true;
        self->infer_depth++;
        for (unsigned i = 0; i < KST_LOCAL_RESULTS; i++) {
            const struct kst_type *type = NULL;
            join_block(self, local->value->b, i, &type);
            local->results[i] = type;
        }
        self->infer_depth--;
        local->visiting = false;
    }
    return local->results[index];
}

/* ---- calls ---- */

static const struct kst_type *result_at(const struct kst_type *fun, unsigned index)
{
    const struct kst_type *result = fun->b;
    for (; result && index > 0 && result->next; index--)
        result = result->next;
    return index == 0 ? result : NULL;
}

static const struct kst_type *of_global_call(struct kst_lint_walk *self,
                                             const struct kst_node *node, unsigned index)
{
    static const struct {
        const char *name;
        enum kst_type_kind kind;
    } rows[] = {{"tostring", KST_TYPE_STRING},
                {"type", KST_TYPE_STRING},
                {"pcall", KST_TYPE_BOOLEAN},
                {"select", KST_TYPE_ANY},
                {"tonumber", KST_TYPE_NUMBER}};
    const struct kst_node *callee = node->a, *argument = node->b;
    if (kst_lint_is_global(callee, "require") && argument && argument->kind == KST_NODE_STRING) {
        struct kst_class *class = kst_types_class(&self->lint->types, argument->text);
        return class ? kst_types_of_class(&self->types, class) : kst_lint_plain(KST_TYPE_ANY);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(rows) && index == 0; i++) {
        if (kst_lint_is_global(callee, rows[i].name))
            return kst_lint_plain(rows[i].kind);
    }
    return kst_lint_plain(KST_TYPE_ANY);
}

static const struct kst_type *of_call(struct kst_lint_walk *self, const struct kst_node *node,
                                      unsigned index)
{
    const struct kst_node *callee = node->a;
    if (callee->kind == KST_NODE_NAME && !callee->local)
        return of_global_call(self, node, index);
    if (callee->kind == KST_NODE_NAME && callee->local->value &&
        callee->local->value->kind == KST_NODE_FUNCTION)
        return result_of(self, callee->local, index);
    const struct kst_type *type = kst_lint_infer(self, callee, 0);
    return type && type->kind == KST_TYPE_FUN ? result_at(type, index)
           : type                             ? kst_lint_plain(KST_TYPE_ANY)
                                              : NULL;
}

static const struct kst_type *of_method(struct kst_lint_walk *self, const struct kst_node *node,
                                        unsigned index)
{
    static const char *const texts[] = {"format", "sub",   "gsub",   "rep",
                                        "lower",  "upper", "reverse"};
    const struct kst_type *object = kst_lint_infer(self, node->a, 0);
    struct kst_class *class = kst_lint_class(object);
    if (class) {
        const struct kst_field *field = kst_class_field(class, node->c->text);
        return field && field->type && field->type->kind == KST_TYPE_FUN
                   ? result_at(field->type, index)
                   : kst_lint_plain(KST_TYPE_ANY);
    }
    for (size_t i = 0; object && is_text(object) && i < KST_ARRAY_LEN(texts) && index == 0; i++) {
        if (strcmp(node->c->text, texts[i]) == 0)
            return kst_lint_plain(KST_TYPE_STRING);
    }
    return object ? kst_lint_plain(KST_TYPE_ANY) : NULL;
}

/* ---- the rest ---- */

static const struct kst_type *of_index(struct kst_lint_walk *self, const struct kst_node *node)
{
    const struct kst_type *object = kst_lint_infer(self, node->a, 0);
    struct kst_class *class = kst_lint_class(object);
    if (!object)
        return NULL;
    if (class && node->b->kind == KST_NODE_STRING) {
        if (class == self->run && strcmp(node->b->text, "frozen") == 0)
            return self->frozen_type;
        if (class == self->run && strcmp(node->b->text, "params") == 0 && self->params)
            return self->params_type;
        const struct kst_field *field = kst_class_field(class, node->b->text);
        return field ? field->type : class == self->frozen ? NULL : kst_lint_plain(KST_TYPE_ANY);
    }
    if (object->kind == KST_TYPE_MAP)
        return object->b;
    if (object->kind == KST_TYPE_LIST && node->b->kind != KST_NODE_STRING)
        return object->a;
    return kst_lint_plain(KST_TYPE_ANY);
}

static const struct kst_type *of_binary(struct kst_lint_walk *self, const struct kst_node *node)
{
    static const char *const booleans[] = {"==", "~=", "<", "<=", ">", ">="};
    const char *word = node->text;
    if (strcmp(word, "..") == 0)
        return kst_lint_plain(KST_TYPE_STRING);
    if (strcmp(word, "or") == 0)
        return kst_lint_join(self, kst_lint_infer(self, node->a, 0),
                             kst_lint_infer(self, node->b, 0));
    if (strcmp(word, "and") == 0)
        return kst_lint_infer(self, node->b, 0);
    for (size_t i = 0; i < KST_ARRAY_LEN(booleans); i++) {
        if (strcmp(word, booleans[i]) == 0)
            return kst_lint_plain(KST_TYPE_BOOLEAN);
    }
    return kst_lint_plain(KST_TYPE_NUMBER);
}

static const struct kst_type *of_literal(struct kst_lint_walk *self, const struct kst_node *node)
{
    struct kst_type *type = kst_types_add(&self->types, KST_TYPE_LITERAL);
    type->text = node->text;
    return type;
}

const struct kst_type *kst_lint_infer(struct kst_lint_walk *self, const struct kst_node *node,
                                      unsigned index)
{
    bool many = node->kind == KST_NODE_CALL || node->kind == KST_NODE_METHOD ||
                node->kind == KST_NODE_VARARG;
    if (index > 0 && !many)
        return kst_lint_plain(KST_TYPE_NIL);
    switch (node->kind) {
    case KST_NODE_NIL:
        return kst_lint_plain(KST_TYPE_NIL);
    case KST_NODE_TRUE:
    case KST_NODE_FALSE:
        return kst_lint_plain(KST_TYPE_BOOLEAN);
    case KST_NODE_NUMBER:
        return kst_lint_plain(node->flag ? KST_TYPE_INTEGER : KST_TYPE_NUMBER);
    case KST_NODE_STRING:
        return of_literal(self, node);
    case KST_NODE_FUNCTION:
        return kst_lint_plain(KST_TYPE_FUNCTION);
    case KST_NODE_TABLE:
        return kst_lint_plain(KST_TYPE_TABLE);
    case KST_NODE_NAME:
        return node->local ? node->local->type : kst_lint_plain(KST_TYPE_ANY);
    case KST_NODE_INDEX:
        return of_index(self, node);
    case KST_NODE_CALL:
        return of_call(self, node, index);
    case KST_NODE_METHOD:
        return of_method(self, node, index);
    case KST_NODE_BINARY:
        return of_binary(self, node);
    case KST_NODE_UNARY:
        return kst_lint_plain(strcmp(node->text, "not") == 0 ? KST_TYPE_BOOLEAN
                              : *node->text == '#'           ? KST_TYPE_INTEGER
                                                             : KST_TYPE_NUMBER);
    case KST_NODE_PAREN:
        return kst_lint_infer(self, node->a, 0);
    default:
        return kst_lint_plain(KST_TYPE_ANY);
    }
}
