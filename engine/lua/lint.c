/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/lint.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"
#include "lua/blueprint.h"
#include "lua/internal.h"
#include "lua/lint_internal.h"
#include "lua/params.h"

/* What a blueprint's environment holds, told by itself. */
static const char globals_text[] = "local all = {}\n"
                                   "for name, value in pairs(_G) do\n"
                                   "  all[name] = { [\"\"] = true }\n"
                                   "  if type(value) == 'table' and name ~= '_G' then\n"
                                   "    for key in pairs(value) do all[name][key] = true end\n"
                                   "  end\n"
                                   "end\n"
                                   "return all\n";

/* ---- telling ---- */

static bool is_allowed(const struct kst_lint_walk *self, unsigned line, const char *rule)
{
    kst_auto_free char *word = kst_asprintf(" %s ", rule);
    for (const struct kst_syntax_allowed *at = self->syntax.allowed; at; at = at->next) {
        if ((at->line == line || at->line + 1 == line) && strstr(at->rules, word))
            return true;
    }
    return false;
}

void kst_lint_tell_at(struct kst_json *findings, const char *path, struct kst_place place,
                      const char *severity, const char *rule, const char *message, const char *hint)
{
    struct kst_json *row = kst_json_make(
        "{'file':%s,'line':%L,'column':%L,'severity':%s,'rule':%s,'message':%s}", path,
        (int64_t)place.line, (int64_t)place.column, severity, rule, message);
    kst_json_set_str(row, "hint", hint);
    kst_json_push(findings, row);
}

/* Whether the last pass has told just that: an expression may be looked at twice. */
static bool is_told(const struct kst_json *findings, struct kst_place place, const char *message)
{
    for (const struct kst_json *row = kst_json_first(findings); row; row = kst_json_next(row)) {
        if (kst_json_path_int(row, "line", 0) == place.line &&
            kst_json_path_int(row, "column", 0) == place.column &&
            strcmp(kst_json_path_str(row, "message"), message) == 0)
            return true;
    }
    return false;
}

static void tell_place(struct kst_lint_walk *self, struct kst_place place, const char *rule,
                       const char *message, const char *hint)
{
    bool is_warning = *rule == '?';
    rule += is_warning;
    if (kst_json_len(self->findings) >= KST_LINT_FINDINGS || is_allowed(self, place.line, rule) ||
        is_told(self->findings, place, message))
        return;
    self->errors += !is_warning;
    kst_lint_tell_at(self->findings, self->file->path, place, is_warning ? "warning" : "error",
                     rule, message, hint);
}

void kst_lint_tell(struct kst_lint_walk *self, size_t at, const char *rule, const char *format, ...)
{
    kst_auto_buf text = KST_BUF_INIT(4096);
    va_list args;
    if (!self->telling)
        return;
    va_start(args, format);
    int rc = kst_buf_addv(&text, format, args);
    va_end(args);
    char *hint = rc == 0 ? strchr(text.data, '\n') : NULL;
    if (hint)
        *hint++ = '\0';
    tell_place(self, kst_syntax_place(&self->syntax, at), rule,
               rc == 0 ? text.data : "something is wrong here that is too long to be told", hint);
}

/* Whether a finding would be told: then it is worth to look for a near name. */
static bool is_worth(const struct kst_lint_walk *self)
{
    return self->telling && kst_json_len(self->findings) < KST_LINT_FINDINGS;
}

void kst_lint_remember(struct kst_lint_walk *self, struct kst_json *names, const char *name)
{
    if (self->remembered >= KST_LINT_NAMES || kst_json_get(names, name))
        return;
    kst_json_set_bool(names, name, true);
    self->remembered++;
}

static const char *near_words(struct kst_lint_walk *self, const char *name,
                              const char *const *names)
{
    const char *near = kst_near_name(name, names);
    return near ? kst_arena_printf(&self->types.arena, "\ndid you mean '%s'?", near) : "";
}

const char *kst_lint_near_field(struct kst_lint_walk *self, const struct kst_class *class,
                                const char *name)
{
    size_t count = 0;
    if (!is_worth(self))
        return "";
    for (const struct kst_class *at = class; at; at = at->parent) {
        for (const struct kst_field *field = at->fields; field; field = field->next)
            count++;
    }
    kst_auto_free const char **names = kst_calloc(count + 1, sizeof(*names));
    count = 0;
    for (const struct kst_class *at = class; at; at = at->parent) {
        for (const struct kst_field *field = at->fields; field; field = field->next)
            names[count++] = field->name;
    }
    return near_words(self, name, names);
}

const char *kst_lint_near_key(struct kst_lint_walk *self, const struct kst_json *object,
                              const char *name)
{
    size_t count = 0;
    if (!is_worth(self))
        return "";
    kst_auto_free const char **names = kst_calloc(kst_json_len(object) + 1, sizeof(*names));
    for (const struct kst_json *row = kst_json_first(object); row; row = kst_json_next(row))
        names[count++] = kst_json_key(row);
    return near_words(self, name, names);
}

/* ---- the text ---- */

static struct kst_place first_word_of(const struct kst_syntax *syntax, unsigned line)
{
    if (line == 0 || line > syntax->nlines)
        return (struct kst_place){line, 1};
    size_t at = syntax->lines[line - 1];
    while (at < syntax->len && (syntax->text[at] == ' ' || syntax->text[at] == '\t'))
        at++;
    return kst_syntax_place(syntax, at);
}

/* "NAME:LINE: text": the line (0: none), and the text. */
static unsigned split_message(const char *name, const char *message, const char **text)
{
    size_t len = strlen(name);
    *text = message;
    if (strncmp(message, name, len) != 0 || message[len] != ':')
        return 0;
    char *end = NULL;
    unsigned long line = strtoul(message + len + 1, &end, 10);
    if (*end != ':' || end[1] != ' ')
        return 0;
    *text = end + 2;
    return (unsigned)line;
}

/* Lua's own words about a text that it does not load; NULL where it does. The caller frees them. */
static char *loader_words(const struct kst_lint_file *file)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    kst_auto_free char *chunk = kst_asprintf("@%s", file->name);
    char *words = NULL;
    if (luaL_loadbufferx(L, file->text, file->len, chunk, "t") != LUA_OK)
        words = kst_strdup(lua_tostring(L, -1) ? lua_tostring(L, -1) : "it cannot be loaded");
    lua_close(L);
    return words;
}

/* Where Lua stopped may be beyond of what is wrong; the parser knows the column. */
static bool check_syntax(struct kst_lint_walk *self)
{
    kst_auto_err struct kst_err *err = NULL;
    kst_auto_free char *words = loader_words(self->file);
    int rc = kst_syntax_parse(&self->syntax, self->file->text, self->file->len, &err);
    if (!words && rc == 0)
        return true;
    if (!words) {
        tell_place(self, kst_syntax_place(&self->syntax, self->syntax.wrong_at), "?not-understood",
                   kst_err_message(err), "only the parts before it were looked at by eye");
        return false;
    }
    const char *text;
    struct kst_place place = {1, 1};
    unsigned line = split_message(self->file->name, words, &text);
    if (rc < 0)
        place = kst_syntax_place(&self->syntax, self->syntax.wrong_at);
    if (line && place.line != line)
        place = first_word_of(&self->syntax, line);
    tell_place(self, place, "syntax", text, NULL);
    return false;
}

/* The constructor of the table that the text returns, also through a variable. */
static void find_table(struct kst_lint_walk *self)
{
    const struct kst_node *last = self->syntax.block->a;
    while (last && last->next)
        last = last->next;
    const struct kst_node *value = last && last->kind == KST_NODE_RETURN ? last->a : NULL;
    if (value && value->kind == KST_NODE_TABLE)
        self->table = value;
    if (value && value->kind == KST_NODE_NAME && value->local && !value->local->writes &&
        value->local->value && value->local->value->kind == KST_NODE_TABLE) {
        self->table = value->local->value;
        value->local->type = kst_types_of_class(&self->types, self->blueprint);
    }
}

static void prepare(struct kst_lint_walk *self)
{
    const struct kst_types *types = &self->lint->types;
    self->blueprint = kst_types_class(types, "kassette.Blueprint");
    self->run = kst_types_class(types, "kassette.Run");
    self->app = kst_types_class(types, "kassette.App");
    self->session = kst_types_class(types, "kassette.Session");
    self->world = kst_types_class(types, "kassette.World");
    self->run_type = kst_types_of_class(&self->types, self->run);
    self->app_type = kst_types_of_class(&self->types, self->app);
    self->world_type = kst_types_of_class(&self->types, self->world);
    self->frozen = kst_types_add_class(&self->types, "run.frozen");
    self->frozen_type = kst_types_of_class(&self->types, self->frozen);
    self->given = kst_json_object();
    self->globals = kst_json_object();
    self->extras = kst_json_object();
    if (self->file->role == KST_LINT_BLUEPRINT)
        find_table(self);
    kst_lint_declare_params(self);
}

static void walk(struct kst_lint_walk *self)
{
    prepare(self);
    for (unsigned i = 1; i <= KST_LINT_PASSES; i++) {
        self->telling = i == KST_LINT_PASSES;
        kst_lint_pass(self);
    }
    kst_lint_rules(self);
    if (self->file->role == KST_LINT_BLUEPRINT && !self->table)
        kst_lint_tell(self, 0, "?not-understood",
                      "what it returns is not written as a table\nwrite return { name = \"…\", … "
                      "} at its end, so that it can be looked at");
}

/* ---- loading it ---- */

static const struct kst_node *member(const struct kst_node *table, const char *name)
{
    for (const struct kst_node *node = table && table->kind == KST_NODE_TABLE ? table->a : NULL;
         node; node = node->next) {
        if (node->a && node->a->kind == KST_NODE_STRING && strcmp(node->a->text, name) == 0)
            return node;
    }
    return NULL;
}

/* Where the field is of which the engine's words "… field match.image: …" speak. */
static struct kst_place place_of_field(const struct kst_lint_walk *self, const char *words)
{
    static const char mark[] = "field ";
    const char *found = strstr(words, mark);
    size_t at = self->table ? self->table->at : 0;
    const struct kst_node *match = member(self->table, "match");
    kst_auto_free char *path = found ? kst_strndup(found + strlen(mark),
                                                   strcspn(found + strlen(mark), ": "))
                                     : kst_strdup("");
    const char *dot = strchr(path, '.');
    kst_auto_free char *first = kst_strndup(path, dot ? (size_t)(dot - path) : strlen(path));
    const char *last = dot ? dot + 1 : path;
    const struct kst_node *node = member(self->table, first);
    const struct kst_node *inner = member(dot && node ? node->b : match ? match->b : NULL, last);
    if (inner && (dot || !node))
        node = inner;
    at = node ? node->a->at : (size_t)kst_json_path_int(self->given, path, (int64_t)at);
    return kst_syntax_place(&self->syntax, at);
}

static void tell_loading(struct kst_lint_walk *self, const struct kst_err *error)
{
    const char *text, *words = kst_err_message(error);
    unsigned line = split_message(self->file->name, words, &text);
    size_t len = strlen(self->file->name);
    if (!line && strncmp(words, self->file->name, len) == 0 && strncmp(words + len, ": ", 2) == 0)
        text = words + len + 2;
    struct kst_place place = line ? first_word_of(&self->syntax, line)
                                  : place_of_field(self, words);
    bool is_regex = strstr(words, "regular expression '") != NULL;
    tell_place(self, place, is_regex ? "regular-expression" : "not-loaded", text,
               kst_err_get_hint(error));
}

/* The text told something about this parameter already. */
static bool is_param_told(const struct kst_lint_walk *self, const char *name)
{
    kst_auto_free char *words = kst_asprintf("parameter %s", name);
    size_t len = strlen(words);
    for (const struct kst_json *row = kst_json_first(self->findings); row;
         row = kst_json_next(row)) {
        const char *message = kst_json_path_str(row, "message");
        if (strncmp(message, words, len) == 0 && strchr(": ", message[len]))
            return true;
    }
    return false;
}

/* Each parameter by itself, as the engine checks them. */
static void check_params(struct kst_lint_walk *self, const struct kst_json *declared)
{
    const struct kst_node *params = member(self->table, "params");
    size_t count = 0;
    for (const struct kst_json *row = kst_json_first(declared); row; row = kst_json_next(row)) {
        kst_auto_err struct kst_err *err = NULL;
        kst_auto_json struct kst_json *one = kst_json_object(), *specs = NULL, *values = NULL;
        if (!kst_json_key(row) || ++count > KST_LINT_NAMES)
            return;
        kst_json_set(one, kst_json_key(row), kst_json_dup(row));
        int rc = kst_params_check(self->file->name, one, &specs, &err);
        if (rc == 0 && !kst_json_path_true(kst_json_first(specs), "required"))
            rc = kst_params_resolve(specs, NULL, &values, &err);
        if (rc == 0 || is_param_told(self, kst_json_key(row)))
            continue;
        const struct kst_node *node = member(params ? params->b : NULL, kst_json_key(row));
        const char *words = kst_err_message(err), *found = strstr(words, "parameter ");
        size_t at = node ? node->a->at : params ? params->a->at : 0;
        tell_place(self, kst_syntax_place(&self->syntax, at), "wrong-parameter",
                   found ? found : words, kst_err_get_hint(err));
    }
}

static void keep(struct kst_lint_walk *self, struct kst_json *json)
{
    struct kst_lint_blueprint *one = kst_calloc(1, sizeof(*one));
    size_t at = (size_t)kst_json_path_int(self->given, "match", 0);
    one->path = kst_strdup(self->file->path);
    one->json = json;
    one->match_at = kst_syntax_place(&self->syntax, at);
    one->is_allowed = is_allowed(self, one->match_at.line, "unreachable-match");
    *self->lint->tail = one;
    self->lint->tail = &one->next;
}

/* One whose walls were broken runs nothing any more. */
static void renew_interpreter(struct kst_lint *self)
{
    struct kst_lua *fresh = NULL;
    if (!kst_lua_violated(self->lua) || kst_lua_new(self->loop, NULL, &fresh, NULL) < 0)
        return;
    kst_lua_free(self->lua);
    self->lua = fresh;
}

static void load(struct kst_lint_walk *self)
{
    const struct kst_lint_file *file = self->file;
    struct kst_lua_ref *table = NULL;
    kst_auto_json struct kst_json *json = NULL;
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_lua_load(self->lint->lua, file->name, file->text, file->len, file->read,
                          file->read_arg, &table, &err);
    if (rc == 0)
        rc = kst_lua_ref_json(table, &json, &err);
    kst_lua_ref_free(table);
    if (rc == 0)
        check_params(self, kst_json_get(json, "params"));
    if (rc == 0 && self->errors == 0) {
        struct kst_blueprint *blueprint = NULL;
        rc = kst_blueprint_load(self->lint->lua, file->name, file->text, file->len, file->read,
                                file->read_arg, &blueprint, &err);
        kst_blueprint_free(blueprint);
    }
    if (rc < 0)
        tell_loading(self, err);
    renew_interpreter(self->lint);
    if (rc == 0 && kst_json_type(json) == KST_JSON_OBJECT)
        keep(self, kst_take(json));
}

/* ---- files ---- */

static int by_place(const void *a, const void *b)
{
    const struct kst_json *left = *(const struct kst_json *const *)a;
    const struct kst_json *right = *(const struct kst_json *const *)b;
    int64_t line = kst_json_path_int(left, "line", 0) - kst_json_path_int(right, "line", 0);
    int64_t column = kst_json_path_int(left, "column", 0) - kst_json_path_int(right, "column", 0);
    return line ? (line > 0) - (line < 0) : (column > 0) - (column < 0);
}

static void add_sorted(struct kst_json *to, struct kst_json *findings)
{
    size_t count = kst_json_len(findings);
    kst_auto_free struct kst_json **rows = kst_calloc(count + 1, sizeof(struct kst_json *));
    for (size_t i = 0; i < count; i++)
        rows[i] = kst_json_detach_at(findings, 0);
    qsort(rows, count, sizeof(struct kst_json *), by_place);
    for (size_t i = 0; i < count; i++)
        kst_json_push(to, rows[i]);
}

static void look(struct kst_lint *self, const struct kst_lint_file *file, bool and_load)
{
    struct kst_lint_walk one = {.lint = self, .file = file, .findings = kst_json_array()};
    if (check_syntax(&one)) {
        walk(&one);
        if (and_load && file->role == KST_LINT_BLUEPRINT)
            load(&one);
    }
    add_sorted(self->findings, one.findings);
    kst_json_free(one.findings);
    kst_json_free(one.given);
    kst_json_free(one.globals);
    kst_json_free(one.extras);
    kst_types_release(&one.types);
    kst_syntax_release(&one.syntax);
}

void kst_lint_file(struct kst_lint *self, const struct kst_lint_file *file)
{
    look(self, file, true);
}

void kst_lint_text(struct kst_lint *self, const struct kst_lint_file *file)
{
    look(self, file, false);
}

int kst_lint_new(struct kst_loop *loop, struct kst_lint **out, struct kst_err **err)
{
    struct kst_lint *self = kst_calloc(1, sizeof(*self));
    struct kst_lua_ref *table = NULL;
    self->loop = loop;
    self->tail = &self->blueprints;
    self->findings = kst_json_array();
    kst_types_load(&self->types);
    int rc = kst_lua_new(loop, NULL, &self->lua, err);
    if (rc == 0)
        rc = kst_lua_load(self->lua, "globals", globals_text, strlen(globals_text), NULL, NULL,
                          &table, err);
    if (rc == 0)
        rc = kst_lua_ref_json(table, &self->globals, err);
    kst_lua_ref_free(table);
    if (rc < 0) {
        kst_lint_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_lint_free(struct kst_lint *self)
{
    if (!self)
        return;
    while (self->blueprints) {
        struct kst_lint_blueprint *gone = self->blueprints;
        self->blueprints = gone->next;
        kst_json_free(gone->json);
        free(gone->path);
        free(gone);
    }
    if (self->lua)
        kst_lua_free(self->lua);
    kst_json_free(self->globals);
    kst_json_free(self->findings);
    kst_types_release(&self->types);
    free(self);
}

void kst_lint_end(struct kst_lint *self, struct kst_json **findings)
{
    kst_lint_match(self, self->findings);
    *findings = kst_take(self->findings);
    self->findings = kst_json_array();
}
