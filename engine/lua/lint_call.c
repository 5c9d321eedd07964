/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: whether there is such a function, and whether it takes what it is given. */
#include <string.h>

#include "base/mem.h"
#include "lua/lint_internal.h"
#include "lua/pattern.h"

/* "run.frozen.db", as it is written, where that is simple. */
static const char *written(struct kst_lint_walk *self, const struct kst_node *node,
                           const char *otherwise)
{
    if (node->kind == KST_NODE_NAME)
        return node->text;
    if (node->kind == KST_NODE_INDEX && node->flag && node->depth < 5)
        return kst_arena_printf(&self->types.arena, "%s.%s", written(self, node->a, "…"),
                                node->b->text);
    return otherwise;
}

/* "run:exec" */
static const char *name_of(struct kst_lint_walk *self, const struct kst_node *object,
                           const struct kst_class *class, const char *sign, const char *name)
{
    return kst_arena_printf(&self->types.arena, "%s%s%s", written(self, object, class->name), sign,
                            name);
}

static void visit_arguments(struct kst_lint_walk *self, const struct kst_node *arguments)
{
    for (; arguments; arguments = arguments->next)
        kst_lint_expression(self, arguments, NULL);
}

static bool is_open_ended(const struct kst_node *node)
{
    return node->kind == KST_NODE_CALL || node->kind == KST_NODE_METHOD ||
           node->kind == KST_NODE_VARARG;
}

/* Arguments of a function that is known. */
static void check_arguments(struct kst_lint_walk *self, const struct kst_node *call,
                            const struct kst_type *fun, const char *what)
{
    const struct kst_type *type = fun->a;
    const struct kst_node *last = NULL;
    unsigned index = 1;
    for (const struct kst_node *node = call->b; node; node = node->next, index++) {
        bool is_options = node->kind == KST_NODE_TABLE && kst_lint_class(type);
        struct kst_lint_wish wish = {.type = type};
        wish.what = is_options
                        ? what
                        : kst_arena_printf(&self->types.arena, "argument %u of %s", index, what);
        last = node;
        if (!type && fun->is_declared && !node->next && !is_open_ended(node))
            kst_lint_tell(self, node->at, "wrong-call", "%s takes %u argument%s", what, index - 1,
                          index == 2 ? "" : "s");
        kst_lint_expression(self, node, &wish);
        if (type && !type->variadic)
            type = type->next;
    }
    if (fun->is_declared && type && !type->optional && !type->variadic &&
        type->kind != KST_TYPE_ANY && !(last && is_open_ended(last)))
        kst_lint_tell(self, call->at, "wrong-call", "%s lacks argument %u: expected %s", what,
                      index, kst_type_words(&self->types, type));
}

/* ---- methods ---- */

static void tell_method(struct kst_lint_walk *self, const struct kst_node *call,
                        const struct kst_class *class)
{
    kst_auto_free char *extra = kst_asprintf("%s.%s", class->name, call->c->text);
    if (!kst_json_get(self->extras, extra))
        kst_lint_tell(self, call->c->at, "unknown-function", "%s has no function '%s'%s",
                      name_of(self, call->a, class, "", ""), call->c->text,
                      kst_lint_near_field(self, class, call->c->text));
}

static void check_method(struct kst_lint_walk *self, const struct kst_node *call,
                         const struct kst_class *class)
{
    const char *name = call->c->text;
    struct kst_field *field = kst_class_field(class, name);
    bool is_fun = field && field->type && field->type->kind == KST_TYPE_FUN;
    if (field)
        field->reads += self->telling;
    if (!field && !class->is_open)
        tell_method(self, call, class);
    if (is_fun && !field->is_method && class != self->frozen)
        kst_lint_tell(self, call->c->at, "wrong-call", "%s is called with a '.'\nwrite: %s(…)",
                      name_of(self, call->a, class, ":", name),
                      name_of(self, call->a, class, ".", name));
    if (is_fun && field->is_method)
        check_arguments(self, call, field->type, name_of(self, call->a, class, ":", name));
    else
        visit_arguments(self, call->b);
}

/* Lua's own patterns, where they are written down. */
static void check_pattern(struct kst_lint_walk *self, const struct kst_node *call, bool is_session)
{
    static const char *const takers[] = {"find", "match", "gmatch", "gsub"};
    const struct kst_node *first = call->b;
    const char *name = call->c->text;
    bool takes = is_session && strcmp(name, "expect") == 0;
    for (size_t i = 0; !is_session && i < KST_ARRAY_LEN(takers); i++)
        takes = takes || strcmp(name, takers[i]) == 0;
    bool is_plain = strcmp(name, "find") == 0 && first && first->next && first->next->next;
    if (!takes || is_plain || !first || first->kind != KST_NODE_STRING)
        return;
    kst_auto_err struct kst_err *err = NULL;
    struct kst_pattern *pattern = NULL;
    if (kst_pattern_new(first->text, first->len, strcmp(name, "gmatch") == 0, &pattern, &err) < 0)
        kst_lint_tell(self, first->at, "pattern", "%s", kst_err_message(err));
    kst_pattern_free(pattern);
}

static void visit_method(struct kst_lint_walk *self, const struct kst_node *call)
{
    const struct kst_type *object = kst_lint_infer(self, call->a, 0);
    const struct kst_class *class = kst_lint_class(object);
    const struct kst_json *strings = kst_json_get(self->lint->globals, "string");
    if (call->a->kind == KST_NODE_NAME && call->a->local) {
        call->a->local->reads += self->telling;
        if (class == self->session && strcmp(call->c->text, "close") == 0)
            call->a->local->is_closed = true;
    } else {
        kst_lint_expression(self, call->a, NULL);
    }
    if (class == self->session || !class)
        check_pattern(self, call, class == self->session);
    if (class) {
        check_method(self, call, class);
        return;
    }
    bool is_text = object && (object->kind == KST_TYPE_STRING || object->kind == KST_TYPE_LITERAL);
    if (is_text && !kst_json_get(strings, call->c->text))
        kst_lint_tell(self, call->c->at, "unknown-function", "a string has no function '%s'%s",
                      call->c->text, kst_lint_near_key(self, strings, call->c->text));
    visit_arguments(self, call->b);
}

/* ---- functions ---- */

/* A helper of the text: it takes what its callers give. */
static void visit_own(struct kst_lint_walk *self, const struct kst_node *call)
{
    struct kst_local *local = call->a->local;
    const struct kst_node *name = local->value->a;
    local->reads += self->telling;
    for (const struct kst_node *node = call->b; node; node = node->next) {
        kst_lint_expression(self, node, NULL);
        if (name) {
            name->local->type = kst_lint_join(self, name->local->type,
                                              kst_lint_infer(self, node, 0));
            name = name->next;
        }
    }
}

/* "run.exec { … }", which is the call of a method without its object. */
static bool is_dotted_method(struct kst_lint_walk *self, const struct kst_node *call,
                             const struct kst_class *class)
{
    const struct kst_node *object = call->a->a, *first = call->b;
    const struct kst_field *field = class ? kst_class_field(class, call->a->b->text) : NULL;
    if (!field || !field->is_method)
        return false;
    bool is_given = first && first->kind == KST_NODE_NAME && object->kind == KST_NODE_NAME &&
                    first->local == object->local;
    if (!is_given)
        kst_lint_tell(self, call->a->b->at, "wrong-call",
                      "%s is called with a '.', and so without its object\nwrite: %s(…)",
                      name_of(self, object, class, ".", field->name),
                      name_of(self, object, class, ":", field->name));
    return true;
}

static const char *callee_name(struct kst_lint_walk *self, const struct kst_node *callee,
                               const struct kst_class *class)
{
    if (callee->kind == KST_NODE_NAME)
        return callee->text;
    return class ? name_of(self, callee->a, class, ".", callee->b->text) : "the function";
}

static void visit_call(struct kst_lint_walk *self, const struct kst_node *call)
{
    const struct kst_node *callee = call->a;
    const struct kst_class *class = NULL;
    bool is_own = callee->kind == KST_NODE_NAME && callee->local && !callee->local->writes &&
                  callee->local->value && callee->local->value->kind == KST_NODE_FUNCTION;
    if (is_own) {
        visit_own(self, call);
        return;
    }
    kst_lint_expression(self, callee, NULL);
    if (callee->kind == KST_NODE_INDEX && callee->b->kind == KST_NODE_STRING)
        class = kst_lint_class(kst_lint_infer(self, callee->a, 0));
    const struct kst_type *type = kst_lint_infer(self, callee, 0);
    if (type && type->kind == KST_TYPE_FUN && !is_dotted_method(self, call, class))
        check_arguments(self, call, type, callee_name(self, callee, class));
    else
        visit_arguments(self, call->b);
}

void kst_lint_call(struct kst_lint_walk *self, const struct kst_node *node)
{
    if (node->kind == KST_NODE_METHOD)
        visit_method(self, node);
    else
        visit_call(self, node);
}
