/* SPDX-License-Identifier: Apache-2.0 */
/* The way of the lint through a text: statements and expressions, names and fields. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "lua/lint_internal.h"

static void visit_block(struct kst_lint_walk *self, const struct kst_node *block);

static void note_type(struct kst_lint_walk *self, struct kst_local *local,
                      const struct kst_type *type)
{
    local->type = kst_lint_join(self, local->type, type);
}

/* ---- functions ---- */

const struct kst_type *kst_lint_wished(const struct kst_type *type, enum kst_type_kind kind)
{
    if (!type || type->kind == kind)
        return type;
    for (const struct kst_type *one = type->kind == KST_TYPE_UNION ? type->a : NULL; one;
         one = one->next) {
        if (one->kind == kind)
            return one;
    }
    return NULL;
}

/* Its parameters are what the wish says; where nobody says anything, nothing is known. */
static void type_parameters(struct kst_lint_walk *self, const struct kst_node *function,
                            const struct kst_type *wish)
{
    const struct kst_type *fun = kst_lint_wished(wish, KST_TYPE_FUN);
    const struct kst_type *type = fun ? fun->a : NULL;
    for (const struct kst_node *name = function->a; name; name = name->next) {
        note_type(self, name->local, type ? type : kst_lint_plain(KST_TYPE_ANY));
        type = type ? type->next : NULL;
    }
}

/* By their names, what nobody calls in this text: helpers in modules. */
static void guess_parameters(struct kst_lint_walk *self, const struct kst_node *function)
{
    for (const struct kst_node *name = function->a; name && self->pass > 2; name = name->next) {
        struct kst_local *local = name->local;
        if (local->type)
            continue;
        if (strcmp(local->name, "run") == 0)
            local->type = self->run_type;
        else if (strcmp(local->name, "app") == 0)
            local->type = self->app_type;
        else if (strcmp(local->name, "world") == 0 && self->file->role == KST_LINT_TEST)
            local->type = self->world_type;
    }
}

static void visit_function(struct kst_lint_walk *self, const struct kst_node *function,
                           const struct kst_lint_wish *wish)
{
    if (wish && kst_lint_wished(wish->type, KST_TYPE_FUN))
        type_parameters(self, function, wish->type);
    guess_parameters(self, function);
    visit_block(self, function->b);
}

/* ---- names ---- */

static void tell_global(struct kst_lint_walk *self, const struct kst_node *node)
{
    static const char *const missing[] = {"io", "os", "debug", "package", "dofile", "loadfile"};
    const char *name = node->text;
    if (kst_json_get(self->lint->globals, name) || kst_json_get(self->globals, name))
        return;
    if (strcmp(name, "run") == 0 || strcmp(name, "app") == 0) {
        kst_lint_tell(self, node->at, "undefined-global",
                      "there is no variable '%s' here\nthe blueprint's functions get it as an "
                      "argument: give it to this one, too",
                      name);
        return;
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(missing); i++) {
        if (strcmp(name, missing[i]) == 0) {
            kst_lint_tell(self, node->at, "undefined-global",
                          "a blueprint has no '%s'\nit sees the cluster only: run and app do what "
                          "can be done",
                          name);
            return;
        }
    }
    kst_lint_tell(self, node->at, "undefined-global", "there is no variable '%s'%s", name,
                  kst_lint_near_key(self, self->lint->globals, name));
}

/* A function whose value goes elsewhere is called by somebody who is not seen here. */
static void visit_name(struct kst_lint_walk *self, const struct kst_node *node,
                       const struct kst_lint_wish *wish, bool as_object)
{
    struct kst_local *local = node->local;
    if (!local) {
        tell_global(self, node);
        return;
    }
    if (self->telling)
        local->reads++;
    if (as_object)
        return;
    local->escapes = true;
    if (local->value && local->value->kind == KST_NODE_FUNCTION && !local->writes)
        type_parameters(self, local->value, wish ? wish->type : NULL);
}

/* ---- fields ---- */

static void tell_field(struct kst_lint_walk *self, const struct kst_node *node,
                       const struct kst_class *class)
{
    kst_auto_free char *extra = kst_asprintf("%s.%s", class->name, node->b->text);
    const char *near = kst_lint_near_field(self, class, node->b->text);
    if (kst_json_get(self->extras, extra))
        return;
    if (class == self->params)
        kst_lint_tell(self, node->b->at, "unknown-parameter", "there is no parameter '%s'%s",
                      node->b->text, *near ? near : "\nparameters are declared in params = { … }");
    else if (class == self->frozen && self->file->role == KST_LINT_BLUEPRINT)
        kst_lint_tell(self, node->b->at, "unknown-field", "nothing sets run.frozen.%s%s",
                      node->b->text, near);
    else if (class != self->frozen)
        kst_lint_tell(self, node->b->at, "unknown-field", "a %s has no field '%s'%s", class->name,
                      node->b->text, near);
}

static void visit_index(struct kst_lint_walk *self, const struct kst_node *node)
{
    kst_lint_expression(self, node->a, NULL);
    if (!node->flag)
        kst_lint_expression(self, node->b, NULL);
    if (node->b->kind != KST_NODE_STRING)
        return;
    struct kst_class *class = kst_lint_class(kst_lint_infer(self, node->a, 0));
    if (class) {
        struct kst_field *field = kst_class_field(class, node->b->text);
        if (field)
            field->reads += self->telling;
        else if (!class->is_open)
            tell_field(self, node, class);
    } else if (node->a->kind == KST_NODE_NAME && !node->a->local &&
               !kst_json_get(self->globals, node->a->text)) {
        const struct kst_json *library = kst_json_get(self->lint->globals, node->a->text);
        if (kst_json_len(library) && !kst_json_get(library, node->b->text))
            kst_lint_tell(self, node->b->at, "unknown-function", "%s has no function '%s'%s",
                          node->a->text, node->b->text,
                          kst_lint_near_key(self, library, node->b->text));
    }
}

/* ---- expressions ---- */

static const char *in_words(struct kst_lint_walk *self, const struct kst_type *type)
{
    if (type->kind == KST_TYPE_LITERAL && strlen(type->text) > 40)
        return kst_arena_printf(&self->types.arena, "\"%.30s…\"", type->text);
    return kst_type_words(&self->types, type);
}

/* The nearest of the texts that a union allows. */
static const char *near_literal(struct kst_lint_walk *self, const struct kst_type *wanted,
                                const char *text)
{
    kst_auto_json struct kst_json *names = kst_json_object();
    for (const struct kst_type *one = wanted->kind == KST_TYPE_UNION ? wanted->a : NULL; one;
         one = one->next) {
        if (one->kind == KST_TYPE_LITERAL)
            kst_json_set_bool(names, one->text, true);
    }
    return kst_lint_near_key(self, names, text);
}

static void check_value(struct kst_lint_walk *self, const struct kst_node *node,
                        const struct kst_lint_wish *wish)
{
    long long ms;
    const struct kst_type *found = kst_lint_infer(self, node, 0);
    bool is_text = found && found->kind == KST_TYPE_LITERAL;
    if (is_text && wish->type->kind == KST_TYPE_DURATION &&
        (strlen(found->text) != node->len || !kst_parse_duration_ms(found->text, &ms)) &&
        node->kind == KST_NODE_STRING)
        kst_lint_tell(self, node->at, "wrong-type",
                      "%s: expected a duration such as \"500ms\", \"30s\" or \"1m30s\", found %s",
                      wish->what, in_words(self, found));
    else if (kst_lint_misfits(found, wish->type))
        kst_lint_tell(self, node->at, "wrong-type", "%s: expected %s, found %s%s", wish->what,
                      kst_type_words(&self->types, wish->type), in_words(self, found),
                      is_text ? near_literal(self, wish->type, found->text) : "");
}

/* Of "a or b" either may be the value, of "a and b" the second. */
static void visit_choice(struct kst_lint_walk *self, const struct kst_node *node,
                         const struct kst_lint_wish *wish)
{
    kst_lint_expression(self, node->a, strcmp(node->text, "or") == 0 ? wish : NULL);
    kst_lint_expression(self, node->b, wish);
}

void kst_lint_expression(struct kst_lint_walk *self, const struct kst_node *node,
                         const struct kst_lint_wish *wish)
{
    switch (node->kind) {
    case KST_NODE_FUNCTION:
        visit_function(self, node, wish);
        break;
    case KST_NODE_NAME:
        visit_name(self, node, wish, false);
        break;
    case KST_NODE_INDEX:
        visit_index(self, node);
        break;
    case KST_NODE_CALL:
    case KST_NODE_METHOD:
        kst_lint_call(self, node);
        break;
    case KST_NODE_TABLE:
        kst_lint_table(self, node, wish);
        return; /* the table is told about part by part */
    case KST_NODE_BINARY:
        if (strcmp(node->text, "or") == 0 || strcmp(node->text, "and") == 0) {
            visit_choice(self, node, wish);
            return;
        }
        kst_lint_expression(self, node->a, NULL);
        kst_lint_expression(self, node->b, NULL);
        break;
    case KST_NODE_UNARY:
        kst_lint_expression(self, node->a, NULL);
        break;
    case KST_NODE_PAREN:
        kst_lint_expression(self, node->a, wish);
        return;
    default:
        break;
    }
    if (wish && wish->type)
        check_value(self, node, wish);
}

/* ---- statements ---- */

static void visit_list(struct kst_lint_walk *self, const struct kst_node *list)
{
    for (; list; list = list->next)
        kst_lint_expression(self, list, NULL);
}

/* Goes along a list of values, whose last may stand for several. */
struct values {
    const struct kst_node *node;
    unsigned index;
};

static const struct kst_type *next_value(struct kst_lint_walk *self, struct values *values)
{
    const struct kst_node *node = values->node;
    if (!node)
        return kst_lint_plain(KST_TYPE_NIL);
    const struct kst_type *type = kst_lint_infer(self, node, values->index);
    if (node->next)
        values->node = node->next;
    else
        values->index++;
    return type;
}

static void visit_local(struct kst_lint_walk *self, const struct kst_node *node)
{
    struct values values = {.node = node->b};
    for (const struct kst_node *value = node->b, *name = node->a; value; value = value->next) {
        const struct kst_type *type = name ? name->local->type : NULL;
        bool is_blueprint = value == self->table;
        const struct kst_lint_wish wish = {.type = type, .what = "a blueprint", .is_whole = true};
        kst_lint_expression(self, value, is_blueprint ? &wish : NULL);
        name = name ? name->next : NULL;
    }
    for (const struct kst_node *name = node->a; name; name = name->next) {
        bool is_blueprint = name->local->value && name->local->value == self->table;
        const struct kst_type *type = next_value(self, &values);
        if (!is_blueprint) /* whose type is known */
            note_type(self, name->local, type);
    }
}

static void set_global(struct kst_lint_walk *self, const struct kst_node *target,
                       const struct kst_node *value)
{
    bool is_function = value && value->kind == KST_NODE_FUNCTION;
    kst_lint_remember(self, self->globals, target->text);
    kst_lint_tell(self, target->at, "global",
                  "'%s' is a global variable, which all functions share\nwrite: local %s%s",
                  target->text, is_function ? "function " : "", target->text);
}

/* A field is set: one that is known has a type, one that is not becomes known. */
static const struct kst_type *set_field(struct kst_lint_walk *self, const struct kst_node *target,
                                        const struct kst_type *type)
{
    const struct kst_type *object = kst_lint_infer(self, target->a, 0);
    struct kst_class *class = kst_lint_class(object);
    kst_lint_expression(self, target->a, NULL);
    if (!target->flag)
        kst_lint_expression(self, target->b, NULL);
    if (!class || target->b->kind != KST_NODE_STRING)
        return NULL;
    const char *name = target->b->text;
    struct kst_field *field = kst_class_field(class, name);
    if (class == self->frozen) {
        if (!field && ++self->remembered > KST_LINT_NAMES)
            return NULL;
        if (!field) {
            field = kst_class_add(&self->types, class, name, NULL);
            field->at = target->b->at;
        }
        field->type = kst_lint_join(self, field->type, type);
        return NULL;
    }
    if (class == self->blueprint && field)
        kst_json_set_int(self->given, name, (int64_t)target->b->at);
    if (!field && class == self->blueprint)
        tell_field(self, target, class);
    if (field || class == self->blueprint)
        return field ? field->type : NULL;
    kst_auto_free char *extra = kst_asprintf("%s.%s", class->name, name);
    kst_lint_remember(self, self->extras, extra);
    return NULL;
}

static void visit_assign(struct kst_lint_walk *self, const struct kst_node *node)
{
    struct values values = {.node = node->b};
    const struct kst_node *value = node->b;
    for (const struct kst_node *target = node->a; target; target = target->next) {
        const struct kst_type *type = next_value(self, &values);
        struct kst_lint_wish wish = {0};
        if (target->kind == KST_NODE_INDEX) {
            wish.type = set_field(self, target, type);
            wish.what = target->b->kind == KST_NODE_STRING ? target->b->text : "";
        } else if (target->local) {
            note_type(self, target->local, type);
        } else {
            set_global(self, target, value);
        }
        if (value)
            kst_lint_expression(self, value, wish.type ? &wish : NULL);
        value = value ? value->next : NULL;
    }
    visit_list(self, value);
}

/* for … in ipairs(list), pairs(table): what the names are. */
static void type_loop(struct kst_lint_walk *self, const struct kst_node *node)
{
    const struct kst_node *call = node->b, *name = node->a;
    const struct kst_type *key = NULL, *value = NULL, *over = NULL;
    bool is_pairs = call->kind == KST_NODE_CALL &&
                    (kst_lint_is_global(call->a, "pairs") || kst_lint_is_global(call->a, "ipairs"));
    if (is_pairs && call->b)
        over = kst_lint_infer(self, call->b, 0);
    if (is_pairs && !over)
        return; /* not yet */
    if (over && over->kind == KST_TYPE_LIST) {
        key = kst_lint_plain(KST_TYPE_INTEGER);
        value = over->a;
    } else if (over && over->kind == KST_TYPE_MAP) {
        key = over->a;
        value = over->b;
    }
    for (; name; name = name->next) {
        note_type(self, name->local, key ? key : kst_lint_plain(KST_TYPE_ANY));
        key = value;
        value = NULL;
    }
}

static void visit_return(struct kst_lint_walk *self, const struct kst_node *node)
{
    bool is_blueprint = node->a && node->a == self->table;
    const struct kst_type *type = kst_types_of_class(&self->types, self->blueprint);
    const struct kst_lint_wish wish = {.type = type, .what = "a blueprint"};
    if (is_blueprint)
        kst_lint_expression(self, node->a, &wish);
    else
        visit_list(self, node->a);
}

static void visit_called(struct kst_lint_walk *self, const struct kst_node *node)
{
    kst_lint_expression(self, node->a, NULL);
    if (kst_lint_class(kst_lint_infer(self, node->a, 0)) == self->session)
        kst_lint_tell(self, node->at, "?unclosed-session",
                      "this session is opened, and nothing keeps it\nkeep it in a variable, and "
                      "close it, or in run.frozen for the post_hook");
}

static void visit_statement(struct kst_lint_walk *self, const struct kst_node *node)
{
    switch (node->kind) {
    case KST_NODE_LOCAL:
        visit_local(self, node);
        break;
    case KST_NODE_NAMED:
        visit_function(self, node->b, NULL);
        break;
    case KST_NODE_ASSIGN:
        visit_assign(self, node);
        break;
    case KST_NODE_CALLED:
        visit_called(self, node);
        break;
    case KST_NODE_DO:
        visit_block(self, node->a);
        break;
    case KST_NODE_WHILE:
        kst_lint_expression(self, node->a, NULL);
        visit_block(self, node->b);
        break;
    case KST_NODE_REPEAT:
        visit_block(self, node->a);
        kst_lint_expression(self, node->b, NULL);
        break;
    case KST_NODE_IF:
        for (const struct kst_node *clause = node->a; clause; clause = clause->next) {
            if (clause->a)
                kst_lint_expression(self, clause->a, NULL);
            visit_block(self, clause->b);
        }
        break;
    case KST_NODE_COUNT:
        visit_list(self, node->b);
        note_type(self, node->a->local, kst_lint_plain(KST_TYPE_NUMBER));
        visit_block(self, node->c);
        break;
    case KST_NODE_EACH:
        visit_list(self, node->b);
        type_loop(self, node);
        visit_block(self, node->c);
        break;
    case KST_NODE_RETURN:
        visit_return(self, node);
        break;
    default:
        break;
    }
}

static void visit_block(struct kst_lint_walk *self, const struct kst_node *block)
{
    for (const struct kst_node *node = block->a; node; node = node->next)
        visit_statement(self, node);
}

void kst_lint_pass(struct kst_lint_walk *self)
{
    self->pass++;
    visit_block(self, self->syntax.block);
}
