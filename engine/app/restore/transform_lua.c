/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "app/restore/transform_internal.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "lua/host.h"

struct kst_transform_lua {
    struct kst_lua *lua;
    struct kst_lua_ref *function; /* the file's, in the wrapper */
};

/* A function that ends without a word gives nothing, which is not the nil that leaves an object
 * out: a forgotten `return object` shall not lose the application. */
static const char wrapper[] =
    "return function(transform)\n"
    "  local function check(...)\n"
    "    local object = ...\n"
    "    local found = select('#', ...) == 0 and 'nothing' or 'a ' .. type(object)\n"
    "    if found == 'nothing' or object ~= nil and type(object) ~= 'table' then\n"
    "      error('the function returned ' .. found .. ': expected the object, or nil to leave '\n"
    "            .. 'it out', 0)\n"
    "    end\n"
    "    return object\n"
    "  end\n"
    "  return function(object)\n"
    "    return check(transform(object))\n"
    "  end\n"
    "end\n";

/* Whatever went wrong in the file is a mistake of the file's. */
static int as_usage(int rc, const char *name, struct kst_err **err)
{
    if (rc == 0 || rc == KST_E_CANCELLED || rc == KST_E_LOST)
        return rc;
    if (rc == KST_E_PARSE || rc == KST_E_LIMIT) {
        if (rc == KST_E_PARSE)
            kst_err_reason(err, "TransformSyntax");
        return kst_err_wrap(err, rc, "transform %s", name);
    }
    struct kst_err *usage = NULL;
    kst_err_set(&usage, KST_E_USAGE, "transform %s: %s", name, err ? kst_err_message(*err) : "");
    kst_err_hint(&usage, "the file ends with: return function(object) … return object end");
    if (err)
        kst_err_clear(err);
    return kst_err_move(err, &usage);
}

static int load(struct kst_transform_lua *self, const char *name, const char *text,
                struct kst_err **err)
{
    struct kst_lua_ref *file = NULL, *wrap = NULL;
    int rc = kst_lua_load_function(self->lua, name, text, strlen(text), NULL, NULL, &file, err);
    if (rc == 0)
        rc = kst_lua_load_function(self->lua, "transform", wrapper, strlen(wrapper), NULL, NULL,
                                   &wrap, err);
    if (rc == 0) {
        const struct kst_lua_arg arg = {.ref = file};
        rc = kst_lua_call(self->lua, wrap, &arg, 1, NULL, &self->function, err);
    }
    kst_lua_ref_free(file);
    kst_lua_ref_free(wrap);
    return rc;
}

int kst_transform_lua_new(struct kst_loop *loop, const char *name, const char *text,
                          struct kst_transform_lua **out, struct kst_err **err)
{
    struct kst_transform_lua *self = kst_calloc(1, sizeof(*self));
    struct kst_err *error = NULL;
    int rc = kst_lua_new(loop, NULL, &self->lua, &error);
    if (rc == 0)
        rc = load(self, name, text, &error);
    rc = as_usage(rc, name, &error);
    if (rc < 0) {
        kst_transform_lua_free(self);
        return kst_err_move(err, &error);
    }
    *out = self;
    return 0;
}

void kst_transform_lua_free(struct kst_transform_lua *self)
{
    if (!self)
        return;
    kst_lua_ref_free(self->function);
    if (self->lua)
        kst_lua_free(self->lua);
    free(self);
}

/* What a Lua table does not tell: the order of members is that in which the object had them, and an
 * empty table in the place of a list is a list. */
static struct kst_json *in_order(const struct kst_json *was, const struct kst_json *now)
{
    enum kst_json_type type = kst_json_type(now);
    if (type == KST_JSON_OBJECT && kst_json_type(was) == KST_JSON_ARRAY && kst_json_len(now) == 0)
        return kst_json_array();
    if (type != kst_json_type(was) || (type != KST_JSON_OBJECT && type != KST_JSON_ARRAY))
        return kst_json_dup(now);
    if (type == KST_JSON_ARRAY) {
        struct kst_json *list = kst_json_array();
        const struct kst_json *w = kst_json_first(was), *n = kst_json_first(now);
        for (; n; n = kst_json_next(n), w = kst_json_next(w))
            kst_json_push(list, in_order(w, n));
        return list;
    }
    struct kst_json *object = kst_json_object();
    for (const struct kst_json *w = kst_json_first(was); w; w = kst_json_next(w)) {
        const struct kst_json *n = kst_json_get(now, kst_json_key(w));
        if (n)
            kst_json_append(object, kst_json_key(w), in_order(w, n));
    }
    for (const struct kst_json *n = kst_json_first(now); n; n = kst_json_next(n))
        if (!kst_json_get(was, kst_json_key(n)))
            kst_json_append(object, kst_json_key(n), kst_json_dup(n));
    return object;
}

int kst_transform_lua_apply(struct kst_transform_lua *self, const struct kst_json *object,
                            struct kst_json **out, struct kst_err **err)
{
    const struct kst_lua_arg arg = {.json = object};
    struct kst_err *error = NULL;
    kst_auto_json struct kst_json *made = NULL;
    int rc = kst_lua_call(self->lua, self->function, &arg, 1, &made, NULL, &error);
    if (rc == 0)
        *out = made ? in_order(object, made) : NULL;
    if (rc == 0 || rc == KST_E_CANCELLED || rc == KST_E_LOST || rc == KST_E_LIMIT)
        return rc == 0 ? 0 : kst_err_move(err, &error);
    kst_err_set(err, KST_E_FAILED, "%s", kst_err_message(error));
    if (kst_err_get_hint(error))
        kst_err_hint(err, "%s", kst_err_get_hint(error));
    kst_err_free(error);
    return KST_E_FAILED;
}
