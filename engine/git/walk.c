/* SPDX-License-Identifier: Apache-2.0 */
#include "git/walk.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/source.h"

char *kst_walk_shown(const char *text)
{
    char *copy = kst_strdup(text);
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return copy;
}

static int refuse(const char *path, const char *why, struct kst_err **err)
{
    kst_auto_free char *shown = kst_walk_shown(path);
    kst_err_set(err, KST_E_INVALID, "path '%s': %s", shown, why);
    kst_err_hint(err, "give a path relative to the source's root, such as "
                      "postgresql/blueprint.lua");
    return KST_E_INVALID;
}

int kst_walk_check(const char *path, bool empty_ok, struct kst_err **err)
{
    size_t len = strlen(path);
    if (len > KST_SOURCE_PATH_MAX)
        return kst_err_set(err, KST_E_INVALID, "a path of %zu bytes is longer than %d", len,
                           KST_SOURCE_PATH_MAX);
    if (len == 0)
        return empty_ok ? 0 : refuse(path, "it is empty", err);
    if (*path == '/')
        return refuse(path, "it is absolute", err);
    for (const char *c = path; *c; c++) {
        if (*c == '\\')
            return refuse(path, "it has a backslash; segments are separated by '/'", err);
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return refuse(path, "it has a control character", err);
    }
    struct kst_str rest = {path, len}, part;
    if (empty_ok && path[len - 1] == '/')
        rest.len--;
    while (kst_str_split(&rest, '/', &part)) {
        if (part.len == 0)
            return refuse(path, "it has an empty segment", err);
        if (kst_str_eq(part, ".") || kst_str_eq(part, ".."))
            return refuse(path, "it has a segment '.' or '..'", err);
    }
    if (!empty_ok && path[len - 1] == '/')
        return refuse(path, "it ends with '/'", err);
    return 0;
}

/* The state of one walk. */
struct step {
    const struct kst_walk *walk;
    const char *path; /* as it was asked for, for messages */
    struct kst_walk_node stack[KST_WALK_DEPTH];
    int depth;            /* folders entered below the root */
    int links;            /* links followed */
    struct kst_buf ahead; /* what is left to walk */
};

static const struct kst_walk_node *here(const struct step *step)
{
    return step->depth ? &step->stack[step->depth - 1] : &step->walk->root;
}

static void leave(struct step *step)
{
    struct kst_walk_node *node = &step->stack[--step->depth];
    step->walk->ops->close(step->walk->tree, node);
}

static int escapes(const struct step *step, const char *name, const char *target,
                   struct kst_err **err)
{
    kst_auto_free char *shown = kst_walk_shown(target);
    kst_auto_free char *link = kst_walk_shown(name);
    kst_err_set(err, KST_E_INVALID,
                "path '%s': the symbolic link '%s' leads to '%s', which is outside of the "
                "source's root",
                step->path, link, shown);
    kst_err_hint(err, "replace the link with a copy of the file, or set the source's path to a "
                      "folder that holds both");
    return KST_E_INVALID;
}

/* Puts a link's target before what is left to walk. Whether ".." leads out is found out step by
 * step; an absolute target always does. */
static int follow(struct step *step, const char *name, const struct kst_walk_node *link,
                  struct kst_err **err)
{
    kst_auto_buf target = KST_BUF_INIT(KST_WALK_TARGET_MAX);
    if (++step->links > KST_SOURCE_LINKS_MAX)
        return kst_err_set(err, KST_E_INVALID,
                           "path '%s': more than %d symbolic links, the last one '%s' (do they "
                           "form a circle?)",
                           step->path, KST_SOURCE_LINKS_MAX, name);
    int code = step->walk->ops->link(step->walk->tree, link, &target, err);
    if (code < 0)
        return code;
    if (target.len == 0 || memchr(target.data, 0, target.len))
        return kst_err_set(err, KST_E_INVALID,
                           "path '%s': the symbolic link '%s' has no valid target", step->path,
                           name);
    if (target.data[0] == '/')
        return escapes(step, name, target.data, err);

    /* The first ".." too many is seen here as well, to name the link that goes wrong. */
    struct kst_str rest = kst_str_buf(&target), part;
    int level = step->depth;
    while (kst_str_split(&rest, '/', &part)) {
        if (kst_str_eq(part, ".."))
            level--;
        else if (part.len != 0 && !kst_str_eq(part, "."))
            level++;
        if (level < 0)
            return escapes(step, name, target.data, err);
    }
    kst_buf_addc(&target, '/');
    kst_buf_add(&target, step->ahead.data, step->ahead.len);
    if (target.overflown)
        return kst_err_set(err, KST_E_INVALID,
                           "path '%s': the symbolic link '%s' makes it longer than %d bytes",
                           step->path, name, KST_WALK_TARGET_MAX);
    kst_buf_clear(&step->ahead);
    return kst_buf_add(&step->ahead, target.data, target.len);
}

/* Takes the next segment that is none of "" and "." off what is left; NULL at the end. */
static char *next_segment(struct step *step)
{
    while (step->ahead.len) {
        const char *slash = memchr(step->ahead.data, '/', step->ahead.len);
        size_t len = slash ? (size_t)(slash - step->ahead.data) : step->ahead.len;
        char *name = kst_strndup(step->ahead.data, len);
        kst_buf_drop(&step->ahead, slash ? len + 1 : len);
        if (*name && strcmp(name, ".") != 0)
            return name;
        free(name);
    }
    return NULL;
}

/* 1: *out is what the path leads to; 0: go on. */
static int advance(struct step *step, const char *name, struct kst_walk_node *out,
                   struct kst_err **err)
{
    if (strcmp(name, "..") == 0) {
        if (step->depth == 0)
            return kst_err_set(err, KST_E_INVALID,
                               "path '%s': a symbolic link leads outside of the source's root",
                               step->path);
        leave(step);
        return 0;
    }
    struct kst_walk_node node = {0};
    int code = step->walk->ops->look(step->walk->tree, here(step), name, &node, err);
    if (code < 0)
        return code;
    switch (node.kind) {
    case KST_WALK_DIR:
        if (step->depth == KST_WALK_DEPTH) {
            code = kst_err_set(err, KST_E_INVALID, "path '%s': more than %d folders deep",
                               step->path, KST_WALK_DEPTH);
            break;
        }
        step->stack[step->depth++] = node;
        return 0;
    case KST_WALK_FILE:
        if (step->ahead.len == 0) {
            *out = node;
            return 1;
        }
        code = kst_err_set(err, KST_E_NOT_FOUND, "path '%s': '%s' is a file, not a folder",
                           step->path, name);
        break;
    case KST_WALK_LINK:
        code = follow(step, name, &node, err);
        break;
    case KST_WALK_MODULE:
        code = kst_err_set(err, KST_E_INVALID,
                           "path '%s': '%s' is a submodule; submodules are not fetched", step->path,
                           name);
        kst_err_hint(err, "make the submodule's repository a source of its own, or copy the files");
        break;
    case KST_WALK_OTHER:
        code = kst_err_set(err, KST_E_INVALID,
                           "path '%s': '%s' is neither a file nor a folder nor a symbolic link",
                           step->path, name);
        break;
    case KST_WALK_ABSENT:
        return kst_err_set(err, KST_E_NOT_FOUND, "path '%s': there is no '%s'", step->path, name);
    }
    step->walk->ops->close(step->walk->tree, &node);
    return code;
}

int kst_walk_resolve(const struct kst_walk *self, const char *path, struct kst_walk_node *out,
                     struct kst_err **err)
{
    struct step step = {.walk = self, .path = path};
    int code = 0;

    kst_buf_init(&step.ahead, KST_WALK_TARGET_MAX);
    kst_buf_adds(&step.ahead, path);
    while (code == 0) {
        kst_auto_free char *name = next_segment(&step);
        if (!name)
            break;
        code = advance(&step, name, out, err);
    }
    if (code == 0 && step.depth > 0) {
        *out = step.stack[--step.depth];
    } else if (code == 0) {
        /* The root itself belongs to the walk: it is not handed out. */
        code = kst_err_set(err, KST_E_INVALID, "path '%s' is the source's root itself", path);
    }
    while (step.depth > 0)
        leave(&step);
    kst_buf_release(&step.ahead);
    return code < 0 ? code : 0;
}

int kst_walk_enter(struct kst_walk *self, const char *path, struct kst_err **err)
{
    if (!*path)
        return 0;
    struct kst_walk_node node = {0};
    int code = kst_walk_resolve(self, path, &node, err);
    if (code < 0)
        return code;
    if (node.kind != KST_WALK_DIR) {
        self->ops->close(self->tree, &node);
        return kst_err_set(err, KST_E_NOT_FOUND, "path '%s' is a file, not a folder", path);
    }
    self->ops->close(self->tree, &self->root);
    self->root = node;
    return 0;
}

void kst_walk_release(struct kst_walk *self)
{
    if (!self->ops)
        return;
    if (self->root.kind == KST_WALK_DIR)
        self->ops->close(self->tree, &self->root);
    if (self->ops->free)
        self->ops->free(self->tree);
    *self = (struct kst_walk){0};
}
