/* SPDX-License-Identifier: Apache-2.0 */
/* The parser: recursive descent, with the scopes of local variables. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lex.h"

struct parser {
    struct kst_syntax *syntax;
    struct kst_lex lex;
    struct kst_token token, ahead;
    bool has_ahead;
    unsigned level;
    struct kst_local **scope; /* those that can be seen, inner ones last */
    size_t nscope, scope_size;
    struct kst_local **tail; /* of all */
};

/* A list under construction. */
struct list {
    struct kst_node *first, **end;
    unsigned depth;
};

static int parse_expression(struct parser *self, unsigned limit, struct kst_node **out,
                            struct kst_err **err);
static int parse_block(struct parser *self, struct kst_node **out, struct kst_err **err);
static int parse_statement(struct parser *self, struct kst_node **out, struct kst_err **err);

/* ---- tokens ---- */

static int advance(struct parser *self, struct kst_err **err)
{
    if (self->has_ahead) {
        self->token = self->ahead;
        self->has_ahead = false;
        return 0;
    }
    return kst_lex_next(&self->lex, &self->token, err);
}

static int look_ahead(struct parser *self, struct kst_err **err)
{
    int rc = self->has_ahead ? 0 : kst_lex_next(&self->lex, &self->ahead, err);
    self->has_ahead = rc == 0;
    return rc;
}

static bool word_is(const struct kst_token *token, const char *text)
{
    return token->kind == KST_TOKEN_WORD && strcmp(token->text, text) == 0;
}

static bool is(const struct parser *self, const char *text)
{
    return word_is(&self->token, text);
}

static int wrong(struct parser *self, const char *expected, struct kst_err **err)
{
    kst_auto_free char *what = kst_asprintf("expected %s", expected);
    return kst_lex_wrong(self->syntax, self->token.at, what, err);
}

/* Passes over the word, if it is next. */
static int accept(struct parser *self, const char *text, bool *found, struct kst_err **err)
{
    *found = is(self, text);
    return *found ? advance(self, err) : 0;
}

static int expect(struct parser *self, const char *text, struct kst_err **err)
{
    return is(self, text) ? advance(self, err) : wrong(self, text, err);
}

static int too_deep(struct parser *self, struct kst_err **err)
{
    self->syntax->wrong_at = self->token.at;
    struct kst_place place = kst_syntax_place(self->syntax, self->token.at);
    return kst_err_set(err, KST_E_LIMIT, "%u:%u: it is nested too deeply", place.line,
                       place.column);
}

/* ---- nodes ---- */

static struct kst_node *new_node(struct parser *self, enum kst_node_kind kind, size_t at)
{
    struct kst_node *node = kst_arena_alloc(&self->syntax->arena, sizeof(*node));
    node->kind = kind;
    node->at = at;
    node->depth = 1;
    return node;
}

static unsigned depth_of(const struct kst_node *node)
{
    return node ? node->depth : 0;
}

/* Completes a node by what is below it. */
static int set_parts(struct parser *self, struct kst_node *node, struct kst_node *a,
                     struct kst_node *b, struct kst_err **err)
{
    unsigned below = depth_of(a) > depth_of(b) ? depth_of(a) : depth_of(b);
    node->a = a;
    node->b = b;
    node->depth = (below > depth_of(node->c) ? below : depth_of(node->c)) + 1;
    return node->depth > KST_SYNTAX_DEPTH ? too_deep(self, err) : 0;
}

/* The first of a list is as deep as the deepest. */
static void append(struct list *list, struct kst_node *node)
{
    if (!list->first)
        list->end = &list->first;
    *list->end = node;
    list->end = &node->next;
    list->depth = node->depth > list->depth ? node->depth : list->depth;
    list->first->depth = list->depth;
}

static struct kst_node *text_node(struct parser *self, enum kst_node_kind kind)
{
    struct kst_node *node = new_node(self, kind, self->token.at);
    node->text = self->token.text;
    node->len = self->token.len;
    node->flag = self->token.whole;
    return node;
}

/* A name that stands for itself, as a string. */
static int parse_word(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (self->token.kind != KST_TOKEN_NAME)
        return wrong(self, "a name", err);
    *out = text_node(self, KST_NODE_STRING);
    return advance(self, err);
}

/* ---- scopes ---- */

static struct kst_local *new_local(struct parser *self, const char *name, size_t at,
                                   enum kst_local_kind kind)
{
    struct kst_local *local = kst_arena_alloc(&self->syntax->arena, sizeof(*local));
    local->name = name;
    local->at = at;
    local->kind = kind;
    *self->tail = local;
    self->tail = &local->next;
    return local;
}

static void activate(struct parser *self, struct kst_local *local)
{
    if (self->nscope == self->scope_size) {
        self->scope_size = self->scope_size ? self->scope_size * 2 : 64;
        self->scope = kst_realloc(self->scope, self->scope_size * sizeof(struct kst_local *));
    }
    self->scope[self->nscope++] = local;
}

static void activate_all(struct parser *self, const struct kst_node *names)
{
    for (; names; names = names->next)
        activate(self, names->local);
}

static struct kst_local *resolve(const struct parser *self, const char *name)
{
    for (size_t i = self->nscope; i > 0; i--) {
        if (strcmp(self->scope[i - 1]->name, name) == 0)
            return self->scope[i - 1];
    }
    return NULL;
}

/* A NAME that declares a variable, not yet to be seen. */
static int parse_declared(struct parser *self, enum kst_local_kind kind, struct kst_node **out,
                          struct kst_err **err)
{
    if (self->token.kind != KST_TOKEN_NAME)
        return wrong(self, "a name", err);
    *out = text_node(self, KST_NODE_NAME);
    (*out)->local = new_local(self, (*out)->text, (*out)->at, kind);
    return advance(self, err);
}

static int parse_name(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (self->token.kind != KST_TOKEN_NAME)
        return wrong(self, "a name", err);
    *out = text_node(self, KST_NODE_NAME);
    (*out)->local = resolve(self, (*out)->text);
    return advance(self, err);
}

/* ---- expressions ---- */

static int parse_list(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct list list = {0};
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        struct kst_node *node = NULL;
        rc = parse_expression(self, 0, &node, err);
        if (rc == 0) {
            append(&list, node);
            rc = accept(self, ",", &more, err);
        }
    }
    *out = list.first;
    return rc;
}

static int parse_parameters(struct parser *self, struct kst_node *function, struct list *list,
                            struct kst_err **err)
{
    bool more = !is(self, ")");
    int rc = 0;
    while (rc == 0 && more) {
        rc = accept(self, "...", &function->flag, err);
        if (rc < 0 || function->flag)
            break;
        struct kst_node *name = NULL;
        rc = parse_declared(self, KST_LOCAL_PARAMETER, &name, err);
        if (rc == 0) {
            append(list, name);
            rc = accept(self, ",", &more, err);
        }
    }
    return rc;
}

/* From the parameters on. */
static int parse_body(struct parser *self, bool is_method, size_t at, struct kst_node **out,
                      struct kst_err **err)
{
    struct kst_node *function = new_node(self, KST_NODE_FUNCTION, at), *block = NULL;
    struct list list = {0};
    size_t mark = self->nscope;
    if (is_method) {
        struct kst_node *name = new_node(self, KST_NODE_NAME, at);
        name->text = "self";
        name->len = 4;
        name->local = new_local(self, name->text, at, KST_LOCAL_PARAMETER);
        append(&list, name);
    }
    int rc = expect(self, "(", err);
    if (rc == 0)
        rc = parse_parameters(self, function, &list, err);
    if (rc == 0)
        rc = expect(self, ")", err);
    activate_all(self, list.first);
    if (rc == 0)
        rc = parse_block(self, &block, err);
    if (rc == 0)
        rc = expect(self, "end", err);
    self->nscope = mark;
    *out = function;
    return rc < 0 ? rc : set_parts(self, function, list.first, block, err);
}

static int parse_field(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *field = new_node(self, KST_NODE_FIELD, self->token.at);
    struct kst_node *key = NULL, *value = NULL;
    int rc = 0;
    if (self->token.kind == KST_TOKEN_NAME)
        rc = look_ahead(self, err);
    if (rc < 0)
        return rc;
    if (is(self, "[")) {
        rc = advance(self, err);
        if (rc == 0)
            rc = parse_expression(self, 0, &key, err);
        if (rc == 0)
            rc = expect(self, "]", err);
    } else if (self->token.kind == KST_TOKEN_NAME && word_is(&self->ahead, "=")) {
        field->flag = true;
        rc = parse_word(self, &key, err);
    }
    if (rc == 0 && key)
        rc = expect(self, "=", err);
    if (rc == 0)
        rc = parse_expression(self, 0, &value, err);
    *out = field;
    return rc < 0 ? rc : set_parts(self, field, key, value, err);
}

static int parse_table(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *table = new_node(self, KST_NODE_TABLE, self->token.at);
    struct list list = {0};
    int rc = expect(self, "{", err);
    while (rc == 0 && !is(self, "}")) {
        struct kst_node *field = NULL;
        bool comma = false, semicolon = false;
        rc = parse_field(self, &field, err);
        if (rc == 0)
            append(&list, field);
        if (rc == 0)
            rc = accept(self, ",", &comma, err);
        if (rc == 0 && !comma)
            rc = accept(self, ";", &semicolon, err);
        if (!comma && !semicolon)
            break;
    }
    if (rc == 0)
        rc = expect(self, "}", err);
    *out = table;
    return rc < 0 ? rc : set_parts(self, table, list.first, NULL, err);
}

static int parse_arguments(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (self->token.kind == KST_TOKEN_STRING) {
        *out = text_node(self, KST_NODE_STRING);
        return advance(self, err);
    }
    if (is(self, "{"))
        return parse_table(self, out, err);
    int rc = expect(self, "(", err);
    if (rc == 0 && !is(self, ")"))
        rc = parse_list(self, out, err);
    return rc < 0 ? rc : expect(self, ")", err);
}

static int parse_primary(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (!is(self, "("))
        return parse_name(self, out, err);
    struct kst_node *paren = new_node(self, KST_NODE_PAREN, self->token.at), *inner = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_expression(self, 0, &inner, err);
    if (rc == 0)
        rc = expect(self, ")", err);
    *out = paren;
    return rc < 0 ? rc : set_parts(self, paren, inner, NULL, err);
}

/* ".name" and "[key]" */
static int parse_index(struct parser *self, struct kst_node *object, struct kst_node **out,
                       struct kst_err **err)
{
    struct kst_node *index = new_node(self, KST_NODE_INDEX, object->at), *key = NULL;
    index->flag = is(self, ".");
    int rc = advance(self, err);
    if (rc == 0)
        rc = index->flag ? parse_word(self, &key, err) : parse_expression(self, 0, &key, err);
    if (rc == 0 && !index->flag)
        rc = expect(self, "]", err);
    *out = index;
    return rc < 0 ? rc : set_parts(self, index, object, key, err);
}

static int parse_call(struct parser *self, struct kst_node *object, struct kst_node **out,
                      struct kst_err **err)
{
    bool method = is(self, ":");
    struct kst_node *call = new_node(self, method ? KST_NODE_METHOD : KST_NODE_CALL, object->at);
    struct kst_node *arguments = NULL;
    int rc = method ? advance(self, err) : 0;
    if (rc == 0 && method)
        rc = parse_word(self, &call->c, err);
    if (rc == 0)
        rc = parse_arguments(self, &arguments, err);
    *out = call;
    return rc < 0 ? rc : set_parts(self, call, object, arguments, err);
}

static int parse_suffixed(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    int rc = parse_primary(self, out, err);
    while (rc == 0) {
        if (is(self, ".") || is(self, "["))
            rc = parse_index(self, *out, out, err);
        else if (is(self, ":") || is(self, "(") || is(self, "{") ||
                 self->token.kind == KST_TOKEN_STRING)
            rc = parse_call(self, *out, out, err);
        else
            break;
    }
    return rc;
}

static int parse_simple(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    static const struct {
        const char *word;
        enum kst_node_kind kind;
    } constants[] = {{"nil", KST_NODE_NIL},
                     {"true", KST_NODE_TRUE},
                     {"false", KST_NODE_FALSE},
                     {"...", KST_NODE_VARARG}};
    size_t at = self->token.at;
    if (self->token.kind == KST_TOKEN_NUMBER || self->token.kind == KST_TOKEN_STRING) {
        *out = text_node(self,
                         self->token.kind == KST_TOKEN_NUMBER ? KST_NODE_NUMBER : KST_NODE_STRING);
        return advance(self, err);
    }
    for (size_t i = 0; i < KST_ARRAY_LEN(constants); i++) {
        if (is(self, constants[i].word)) {
            *out = new_node(self, constants[i].kind, at);
            return advance(self, err);
        }
    }
    if (is(self, "{"))
        return parse_table(self, out, err);
    if (!is(self, "function"))
        return parse_suffixed(self, out, err);
    int rc = advance(self, err);
    return rc < 0 ? rc : parse_body(self, false, at, out, err);
}

/* How strongly each operator binds, to its left and to its right. */
static const struct {
    const char *word;
    unsigned left, right;
} operators[] = {
    {"+", 10, 10},  {"-", 10, 10}, {"*", 11, 11}, {"%", 11, 11}, {"^", 14, 13}, {"/", 11, 11},
    {"//", 11, 11}, {"&", 6, 6},   {"|", 4, 4},   {"~", 5, 5},   {"<<", 7, 7},  {">>", 7, 7},
    {"..", 9, 8},   {"==", 3, 3},  {"<", 3, 3},   {"<=", 3, 3},  {"~=", 3, 3},  {">", 3, 3},
    {">=", 3, 3},   {"and", 2, 2}, {"or", 1, 1},
};
enum { UNARY_PRIORITY = 12 };

static int parse_operand(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (!is(self, "not") && !is(self, "-") && !is(self, "~") && !is(self, "#"))
        return parse_simple(self, out, err);
    struct kst_node *node = text_node(self, KST_NODE_UNARY), *operand = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_expression(self, UNARY_PRIORITY, &operand, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, operand, NULL, err);
}

/* One operator and what is right of it, if it binds more strongly than `limit`. */
static int parse_operation(struct parser *self, unsigned limit, struct kst_node **out, bool *found,
                           struct kst_err **err)
{
    *found = false;
    for (size_t i = 0; i < KST_ARRAY_LEN(operators); i++) {
        if (!is(self, operators[i].word) || operators[i].left <= limit)
            continue;
        struct kst_node *node = text_node(self, KST_NODE_BINARY), *right = NULL;
        *found = true;
        int rc = advance(self, err);
        if (rc == 0)
            rc = parse_expression(self, operators[i].right, &right, err);
        if (rc == 0)
            rc = set_parts(self, node, *out, right, err);
        node->at = (*out)->at;
        *out = node;
        return rc;
    }
    return 0;
}

static int parse_expression(struct parser *self, unsigned limit, struct kst_node **out,
                            struct kst_err **err)
{
    if (++self->level > KST_SYNTAX_LEVELS)
        return too_deep(self, err);
    int rc = parse_operand(self, out, err);
    bool more = true;
    while (rc == 0 && more)
        rc = parse_operation(self, limit, out, &more, err);
    self->level--;
    return rc;
}

/* ---- statements ---- */

static int parse_block_until(struct parser *self, const char *word, struct kst_node **out,
                             struct kst_err **err)
{
    int rc = parse_block(self, out, err);
    return rc < 0 ? rc : expect(self, word, err);
}

static int parse_clause(struct parser *self, struct list *list, bool *more, struct kst_err **err)
{
    struct kst_node *clause = new_node(self, KST_NODE_CLAUSE, self->token.at);
    struct kst_node *condition = NULL, *block = NULL;
    bool last = is(self, "else");
    int rc = advance(self, err);
    if (rc == 0 && !last)
        rc = parse_expression(self, 0, &condition, err);
    if (rc == 0 && !last)
        rc = expect(self, "then", err);
    if (rc == 0)
        rc = parse_block(self, &block, err);
    if (rc == 0)
        rc = set_parts(self, clause, condition, block, err);
    append(list, clause);
    *more = !last && (is(self, "elseif") || is(self, "else"));
    return rc;
}

static int parse_if(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_IF, self->token.at);
    struct list list = {0};
    bool more = true;
    int rc = 0;
    while (rc == 0 && more)
        rc = parse_clause(self, &list, &more, err);
    if (rc == 0)
        rc = expect(self, "end", err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, list.first, NULL, err);
}

static int parse_while(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_WHILE, self->token.at);
    struct kst_node *condition = NULL, *block = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_expression(self, 0, &condition, err);
    if (rc == 0)
        rc = expect(self, "do", err);
    if (rc == 0)
        rc = parse_block_until(self, "end", &block, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, condition, block, err);
}

static int parse_do(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_DO, self->token.at), *block = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_block_until(self, "end", &block, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, block, NULL, err);
}

/* Statements up to what ends a block; its variables stay visible. */
static int parse_statements(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *block = new_node(self, KST_NODE_BLOCK, self->token.at);
    struct list list = {0};
    int rc = 0;
    while (rc == 0 && self->token.kind != KST_TOKEN_END && !is(self, "end") && !is(self, "else") &&
           !is(self, "elseif") && !is(self, "until")) {
        struct kst_node *node = NULL;
        bool last = is(self, "return");
        rc = parse_statement(self, &node, err);
        if (rc == 0 && node)
            append(&list, node);
        if (last)
            break;
    }
    *out = block;
    return rc < 0 ? rc : set_parts(self, block, list.first, NULL, err);
}

static int parse_block(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    size_t mark = self->nscope;
    int rc = parse_statements(self, out, err);
    self->nscope = mark;
    return rc;
}

/* The condition sees the variables of the block. */
static int parse_repeat(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_REPEAT, self->token.at);
    struct kst_node *condition = NULL, *block = NULL;
    size_t mark = self->nscope;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_statements(self, &block, err);
    if (rc == 0)
        rc = expect(self, "until", err);
    if (rc == 0)
        rc = parse_expression(self, 0, &condition, err);
    self->nscope = mark;
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, block, condition, err);
}

static int parse_names(struct parser *self, enum kst_local_kind kind, struct list *list,
                       struct kst_err **err)
{
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        struct kst_node *name = NULL;
        rc = parse_declared(self, kind, &name, err);
        if (rc == 0) {
            append(list, name);
            rc = accept(self, ",", &more, err);
        }
    }
    return rc;
}

static int parse_for(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_EACH, self->token.at), *values = NULL;
    struct list names = {0};
    size_t mark = self->nscope;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_names(self, KST_LOCAL_LOOP, &names, err);
    if (rc == 0 && is(self, "="))
        node->kind = KST_NODE_COUNT;
    if (rc == 0)
        rc = expect(self, node->kind == KST_NODE_COUNT ? "=" : "in", err);
    if (rc == 0)
        rc = parse_list(self, &values, err);
    if (rc == 0)
        rc = expect(self, "do", err);
    activate_all(self, names.first);
    if (rc == 0)
        rc = parse_block_until(self, "end", &node->c, err);
    self->nscope = mark;
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, names.first, values, err);
}

/* "a.b.c:d" and the body; the method's own name is one more index. */
static int parse_function(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_ASSIGN, self->token.at);
    struct kst_node *target = NULL, *body = NULL;
    bool is_method = false;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_name(self, &target, err);
    while (rc == 0 && !is_method && (is(self, ".") || is(self, ":"))) {
        struct kst_node *index = new_node(self, KST_NODE_INDEX, target->at), *key = NULL;
        is_method = is(self, ":");
        index->flag = true;
        rc = advance(self, err);
        if (rc == 0)
            rc = parse_word(self, &key, err);
        if (rc == 0)
            rc = set_parts(self, index, target, key, err);
        target = index;
    }
    if (rc == 0 && target->local)
        target->local->writes++;
    if (rc == 0)
        rc = parse_body(self, is_method, node->at, &body, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, target, body, err);
}

static int parse_local_function(struct parser *self, size_t at, struct kst_node **out,
                                struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_NAMED, at), *name = NULL, *body = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_declared(self, KST_LOCAL_FUNCTION, &name, err);
    if (rc < 0)
        return rc;
    activate(self, name->local);
    rc = parse_body(self, false, at, &body, err);
    name->local->value = body;
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, name, body, err);
}

/* "<const>" or "<close>"; which others there are is Lua's own matter. */
static int parse_attribute(struct parser *self, struct kst_local *local, struct kst_err **err)
{
    struct kst_node *word = NULL;
    int rc = advance(self, err);
    if (rc == 0)
        rc = parse_word(self, &word, err);
    if (rc < 0)
        return rc;
    local->closes = strcmp(word->text, "close") == 0;
    return expect(self, ">", err);
}

static int parse_local(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_LOCAL, self->token.at), *values = NULL;
    struct list names = {0};
    bool more = true;
    int rc = advance(self, err);
    if (rc == 0 && is(self, "function"))
        return parse_local_function(self, node->at, out, err);
    while (rc == 0 && more) {
        struct kst_node *name = NULL;
        rc = parse_declared(self, KST_LOCAL_VARIABLE, &name, err);
        if (rc == 0 && is(self, "<"))
            rc = parse_attribute(self, name->local, err);
        if (rc == 0) {
            append(&names, name);
            rc = accept(self, ",", &more, err);
        }
    }
    if (rc == 0)
        rc = accept(self, "=", &more, err);
    if (rc == 0 && more)
        rc = parse_list(self, &values, err);
    activate_all(self, names.first);
    struct kst_node *value = values;
    for (struct kst_node *name = names.first; rc == 0 && name && value; name = name->next) {
        name->local->value = value;
        value = value->next;
    }
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, names.first, values, err);
}

static int parse_return(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_RETURN, self->token.at), *values = NULL;
    bool semicolon = false;
    int rc = advance(self, err);
    bool bare = self->token.kind == KST_TOKEN_END || is(self, ";") || is(self, "end") ||
                is(self, "else") || is(self, "elseif") || is(self, "until");
    if (rc == 0 && !bare)
        rc = parse_list(self, &values, err);
    if (rc == 0)
        rc = accept(self, ";", &semicolon, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, values, NULL, err);
}

/* "break", "goto name" and "::name::". */
static int parse_jump(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    bool is_break = is(self, "break"), is_label = is(self, "::");
    struct kst_node *word = NULL;
    *out = new_node(self,
                    is_break   ? KST_NODE_BREAK
                    : is_label ? KST_NODE_LABEL
                               : KST_NODE_GOTO,
                    self->token.at);
    int rc = advance(self, err);
    if (rc < 0 || is_break)
        return rc;
    rc = parse_word(self, &word, err);
    if (rc < 0)
        return rc;
    (*out)->text = word->text;
    return is_label ? expect(self, "::", err) : 0;
}

static int parse_assignment(struct parser *self, struct kst_node *first, struct kst_node **out,
                            struct kst_err **err)
{
    struct kst_node *node = new_node(self, KST_NODE_ASSIGN, first->at), *values = NULL;
    struct kst_node *target = first;
    struct list targets = {0};
    bool more = true;
    int rc = 0;
    while (rc == 0 && more) {
        if (target->kind != KST_NODE_NAME && target->kind != KST_NODE_INDEX)
            return wrong(self, "a variable before it", err);
        if (target->local)
            target->local->writes++;
        append(&targets, target);
        rc = accept(self, ",", &more, err);
        if (rc == 0 && more)
            rc = parse_suffixed(self, &target, err);
    }
    if (rc == 0)
        rc = expect(self, "=", err);
    if (rc == 0)
        rc = parse_list(self, &values, err);
    *out = node;
    return rc < 0 ? rc : set_parts(self, node, targets.first, values, err);
}

static int parse_call_or_assignment(struct parser *self, struct kst_node **out,
                                    struct kst_err **err)
{
    struct kst_node *first = NULL;
    int rc = parse_suffixed(self, &first, err);
    if (rc < 0)
        return rc;
    if (is(self, "=") || is(self, ","))
        return parse_assignment(self, first, out, err);
    if (first->kind != KST_NODE_CALL && first->kind != KST_NODE_METHOD)
        return wrong(self, "a call or an assignment", err);
    *out = new_node(self, KST_NODE_CALLED, first->at);
    return set_parts(self, *out, first, NULL, err);
}

static int parse_any_statement(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    static const struct {
        const char *word;
        int (*parse)(struct parser *self, struct kst_node **out, struct kst_err **err);
    } statements[] = {
        {"if", parse_if},       {"while", parse_while},   {"do", parse_do},
        {"for", parse_for},     {"repeat", parse_repeat}, {"function", parse_function},
        {"local", parse_local}, {"return", parse_return}, {"break", parse_jump},
        {"goto", parse_jump},   {"::", parse_jump},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(statements); i++) {
        if (is(self, statements[i].word))
            return statements[i].parse(self, out, err);
    }
    return is(self, ";") ? advance(self, err) : parse_call_or_assignment(self, out, err);
}

static int parse_statement(struct parser *self, struct kst_node **out, struct kst_err **err)
{
    if (++self->level > KST_SYNTAX_LEVELS)
        return too_deep(self, err);
    int rc = parse_any_statement(self, out, err);
    self->level--;
    return rc;
}

/* ---- the whole ---- */

static void find_lines(struct kst_syntax *self)
{
    size_t size = 64;
    self->lines = kst_malloc(size * sizeof(*self->lines));
    self->lines[0] = 0;
    self->nlines = 1;
    for (size_t i = 0; i < self->len; i++) {
        char c = self->text[i], next = i + 1 < self->len ? self->text[i + 1] : '\0';
        if (c != '\n' && c != '\r')
            continue;
        i += (next == '\n' || next == '\r') && next != c;
        if (self->nlines == size) {
            size *= 2;
            self->lines = kst_realloc(self->lines, size * sizeof(*self->lines));
        }
        self->lines[self->nlines++] = i + 1;
    }
}

struct kst_place kst_syntax_place(const struct kst_syntax *self, size_t at)
{
    size_t low = 0, high = self->nlines;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(self->lines[middle] <= at ? &low : &high) = middle;
    }
    unsigned column = 1;
    for (size_t i = self->lines[low]; i < at && i < self->len; i++)
        column += ((unsigned char)self->text[i] & 0xc0) != 0x80;
    return (struct kst_place){(unsigned)low + 1, column};
}

int kst_syntax_parse(struct kst_syntax *self, const char *text, size_t len, struct kst_err **err)
{
    *self = (struct kst_syntax){.text = text, .len = len};
    find_lines(self);
    struct parser parser = {.syntax = self, .lex = {.syntax = self}, .tail = &self->locals};
    int rc = advance(&parser, err);
    if (rc == 0)
        rc = parse_block(&parser, &self->block, err);
    if (rc == 0 && parser.token.kind != KST_TOKEN_END)
        rc = wrong(&parser, "the end of the file", err);
    free(parser.scope);
    return rc;
}

void kst_syntax_release(struct kst_syntax *self)
{
    kst_arena_release(&self->arena);
    free(self->lines);
    *self = (struct kst_syntax){0};
}
