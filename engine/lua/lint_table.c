/* SPDX-License-Identifier: Apache-2.0 */
/* Table constructors: options of functions, the blueprint itself, its parameters and match rule. */
#include <string.h>

#include "base/mem.h"
#include "lua/lint_internal.h"

static bool is_declaration(const struct kst_class *class)
{
    return strcmp(class->name, "kassette.Blueprint") == 0 ||
           strcmp(class->name, "kassette.Match") == 0 || strcmp(class->name, "kassette.Param") == 0;
}

static const char *part_of(struct kst_lint_walk *self, const struct kst_class *class,
                           const struct kst_lint_wish *wish, const char *name)
{
    if (class == self->blueprint)
        return kst_arena_printf(&self->types.arena, "field %s", name);
    return kst_arena_printf(&self->types.arena, "%s: %s %s", wish->what,
                            is_declaration(class) ? "field" : "option", name);
}

static void visit_plain(struct kst_lint_walk *self, const struct kst_node *table)
{
    for (const struct kst_node *field = table->a; field; field = field->next) {
        if (field->a && !field->flag)
            kst_lint_expression(self, field->a, NULL);
        kst_lint_expression(self, field->b, NULL);
    }
}

/* ---- of a class ---- */

/* "field match" is "match", where it has fields itself. */
static const char *subject_of(const struct kst_lint_wish *wish)
{
    return strncmp(wish->what, "field ", 6) == 0 ? wish->what + 6 : wish->what;
}

static void visit_member(struct kst_lint_walk *self, const struct kst_node *node,
                         const struct kst_class *class, const struct kst_lint_wish *wish)
{
    const char *name = node->a->text, *noun = is_declaration(class) ? "field" : "option";
    const struct kst_field *field = kst_class_field(class, name);
    if (!field) {
        kst_lint_tell(self, node->a->at, is_declaration(class) ? "unknown-field" : "unknown-option",
                      "%s has no %s '%s'%s", subject_of(wish), noun, name,
                      kst_lint_near_field(self, class, name));
        kst_lint_expression(self, node->b, NULL);
        return;
    }
    const struct kst_lint_wish part = {.type = field->type,
                                       .what = part_of(self, class, wish, name)};
    if (class == self->blueprint)
        kst_json_set_int(self->given, name, (int64_t)node->a->at);
    kst_lint_expression(self, node->b, &part);
}

static bool has_member(const struct kst_node *table, const char *name)
{
    for (const struct kst_node *node = table->a; node; node = node->next) {
        if (node->a && node->a->kind == KST_NODE_STRING && strcmp(node->a->text, name) == 0)
            return true;
    }
    return false;
}

static void tell_missing(struct kst_lint_walk *self, const struct kst_node *table,
                         const struct kst_class *class, const struct kst_lint_wish *wish)
{
    for (const struct kst_class *at = class; at; at = at->parent) {
        for (const struct kst_field *field = at->fields; field; field = field->next) {
            if (field->optional || has_member(table, field->name))
                continue;
            kst_lint_tell(self, table->at,
                          is_declaration(class) ? "missing-field" : "missing-option",
                          "%s lacks %s: expected %s", subject_of(wish), field->name,
                          kst_type_words(&self->types, field->type));
        }
    }
}

static void visit_class(struct kst_lint_walk *self, const struct kst_node *table,
                        const struct kst_class *class, const struct kst_lint_wish *wish)
{
    bool is_sure = !wish->is_whole;
    for (const struct kst_node *node = table->a; node; node = node->next) {
        if (node->a && node->a->kind == KST_NODE_STRING) {
            visit_member(self, node, class, wish);
        } else if (node->a) { /* [name] = value */
            kst_lint_expression(self, node->a, NULL);
            kst_lint_expression(self, node->b, NULL);
            is_sure = false;
        } else {
            kst_lint_tell(self, node->b->at, "wrong-type",
                          "%s takes named values: expected name = value", wish->what);
            kst_lint_expression(self, node->b, NULL);
        }
    }
    if (is_sure)
        tell_missing(self, table, class, wish);
}

/* ---- lists and maps ---- */

static void visit_list(struct kst_lint_walk *self, const struct kst_node *table,
                       const struct kst_type *type, const struct kst_lint_wish *wish)
{
    unsigned index = 1;
    for (const struct kst_node *node = table->a; node; node = node->next) {
        const char *what = kst_arena_printf(&self->types.arena, "%s: entry %u", wish->what,
                                            index++);
        const struct kst_lint_wish entry = {.type = type->a, .what = what};
        if (node->a && node->flag)
            kst_lint_tell(self, node->a->at, "wrong-type", "%s: expected %s, found the name %s",
                          wish->what, kst_type_words(&self->types, type), node->a->text);
        else if (node->a)
            kst_lint_expression(self, node->a, NULL);
        kst_lint_expression(self, node->b, &entry);
    }
}

static void visit_map(struct kst_lint_walk *self, const struct kst_node *table,
                      const struct kst_type *type, const struct kst_lint_wish *wish)
{
    bool is_params = strcmp(wish->what, "field params") == 0;
    for (const struct kst_node *node = table->a; node; node = node->next) {
        bool named = node->a && node->a->kind == KST_NODE_STRING;
        const char *what = named ? kst_arena_printf(&self->types.arena, "%s %s",
                                                    is_params ? "parameter" : wish->what,
                                                    node->a->text)
                                 : wish->what;
        const struct kst_lint_wish entry = {.type = type->b, .what = what};
        if (node->a && !named)
            kst_lint_expression(self, node->a, NULL);
        if (!node->a)
            kst_lint_tell(self, node->b->at, "wrong-type", "%s: expected name = value", wish->what);
        kst_lint_expression(self, node->b, &entry);
    }
}

/* ---- any ---- */

/* What a table may be of the types that are wished for; NULL where that is not one alone. */
static const struct kst_type *table_type(const struct kst_type *type)
{
    const struct kst_type *only = NULL;
    if (type->kind != KST_TYPE_UNION)
        return type;
    for (const struct kst_type *one = type->a; one; one = one->next) {
        bool is_table = one->kind == KST_TYPE_CLASS || one->kind == KST_TYPE_LIST ||
                        one->kind == KST_TYPE_MAP || one->kind == KST_TYPE_TABLE;
        if (is_table && only)
            return NULL;
        if (is_table)
            only = one;
    }
    return only ? only : type;
}

void kst_lint_table(struct kst_lint_walk *self, const struct kst_node *table,
                    const struct kst_lint_wish *wish)
{
    const struct kst_type *type = wish && wish->type ? table_type(wish->type) : NULL;
    if (!type) {
        visit_plain(self, table);
        return;
    }
    switch (type->kind) {
    case KST_TYPE_CLASS:
        visit_class(self, table, type->class, wish);
        break;
    case KST_TYPE_LIST:
        visit_list(self, table, type, wish);
        break;
    case KST_TYPE_MAP:
        visit_map(self, table, type, wish);
        break;
    default:
        if (kst_lint_misfits(kst_lint_plain(KST_TYPE_TABLE), type))
            kst_lint_tell(self, table->at, "wrong-type", "%s: expected %s, found a table",
                          wish->what, kst_type_words(&self->types, type));
        visit_plain(self, table);
    }
}

/* ---- params ---- */

static const struct kst_node *member(const struct kst_node *table, const char *name)
{
    for (const struct kst_node *node = table ? table->a : NULL; node; node = node->next) {
        if (node->a && node->a->kind == KST_NODE_STRING && strcmp(node->a->text, name) == 0)
            return node->b;
    }
    return NULL;
}

/* A parameter's value as the functions see it, from how it is declared. */
static const struct kst_type *param_type(struct kst_lint_walk *self, const struct kst_node *spec)
{
    static const struct {
        const char *name;
        enum kst_type_kind kind;
    } rows[] = {{"string", KST_TYPE_STRING}, {"duration", KST_TYPE_STRING},
                {"size", KST_TYPE_STRING},   {"integer", KST_TYPE_INTEGER},
                {"number", KST_TYPE_NUMBER}, {"boolean", KST_TYPE_BOOLEAN},
                {"list", KST_TYPE_LIST}};
    const struct kst_node *type = spec->kind == KST_NODE_TABLE ? member(spec, "type") : NULL;
    const struct kst_node *value = spec->kind == KST_NODE_TABLE ? member(spec, "default") : spec;
    for (size_t i = 0; type && type->kind == KST_NODE_STRING && i < KST_ARRAY_LEN(rows); i++) {
        if (strcmp(type->text, rows[i].name) == 0 && rows[i].kind != KST_TYPE_LIST)
            return kst_lint_plain(rows[i].kind);
        if (strcmp(type->text, rows[i].name) == 0) {
            struct kst_type *list = kst_types_add(&self->types, KST_TYPE_LIST);
            list->a = kst_types_add(&self->types, KST_TYPE_STRING);
            return list;
        }
    }
    if (type || (value && value->kind == KST_NODE_TABLE))
        return kst_lint_plain(KST_TYPE_ANY);
    const struct kst_type *found = value ? kst_lint_infer(self, value, 0) : NULL;
    if (!value || (found && found->kind == KST_TYPE_LITERAL))
        return kst_lint_plain(KST_TYPE_STRING);
    return found ? found : kst_lint_plain(KST_TYPE_ANY);
}

void kst_lint_declare_params(struct kst_lint_walk *self)
{
    const struct kst_node *params = member(self->table, "params");
    if (!self->table || (params && params->kind != KST_NODE_TABLE))
        return;
    self->params = kst_types_add_class(&self->types, "params");
    self->params_type = kst_types_of_class(&self->types, self->params);
    for (const struct kst_node *node = params ? params->a : NULL; node; node = node->next) {
        bool known = node->a && node->a->kind == KST_NODE_STRING &&
                     ++self->remembered <= KST_LINT_NAMES;
        if (known)
            kst_class_add(&self->types, self->params, node->a->text, param_type(self, node->b));
        else
            self->params->is_open = true;
    }
}
