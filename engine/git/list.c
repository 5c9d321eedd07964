/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of files by pattern: kst_walk_list(). */
#include <fnmatch.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "git/source.h"
#include "git/walk.h"

struct names {
    char **items;
    size_t count, size;
};

static void names_add(struct names *self, const char *name)
{
    if (self->count == self->size) {
        self->size = self->size ? self->size * 2 : 16;
        self->items = kst_realloc(self->items, self->size * sizeof(*self->items));
    }
    self->items[self->count++] = kst_strdup(name);
}

static void names_release(struct names *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->items[i]);
    free(self->items);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct lister {
    const struct kst_walk *walk;
    struct names found;
    size_t entries; /* of folders, looked at */
};

struct matcher {
    struct lister *lister;
    const char *segment; /* of the pattern */
    struct names names;
};

static int match_name(void *arg, const char *name, struct kst_err **err)
{
    struct matcher *self = arg;
    if (++self->lister->entries > KST_SOURCE_ENTRIES_MAX)
        return kst_err_set(err, KST_E_LIMIT, "the source has more than %d entries in its folders",
                           KST_SOURCE_ENTRIES_MAX);
    if (fnmatch(self->segment, name, FNM_PERIOD | FNM_NOESCAPE) == 0)
        names_add(&self->names, name);
    return 0;
}

static int list_level(struct lister *self, const struct kst_walk_node *dir, const char *prefix,
                      const char *pattern, struct kst_err **err);

/* One name that matches: a file is kept, a folder gone into. What cannot be read is left out; the
 * blueprint that needs it says so. */
static int list_name(struct lister *self, const char *path, const char *deeper,
                     struct kst_err **err)
{
    kst_auto_err struct kst_err *why = NULL;
    struct kst_walk_node node = {0};
    int code = kst_walk_check(path, false, &why);
    if (code == 0)
        code = kst_walk_resolve(self->walk, path, &node, &why);
    if (code == KST_E_INVALID || code == KST_E_NOT_FOUND)
        return 0;
    if (code < 0)
        return kst_err_move(err, &why);
    if (deeper && node.kind == KST_WALK_DIR) {
        code = list_level(self, &node, path, deeper, err);
    } else if (!deeper && node.kind == KST_WALK_FILE) {
        if (self->found.count == KST_SOURCE_LIST_MAX)
            code = kst_err_set(err, KST_E_LIMIT, "the source has more than %d such files",
                               KST_SOURCE_LIST_MAX);
        else
            names_add(&self->found, path);
    }
    self->walk->ops->close(self->walk->tree, &node);
    return code;
}

static int list_level(struct lister *self, const struct kst_walk_node *dir, const char *prefix,
                      const char *pattern, struct kst_err **err)
{
    const char *slash = strchr(pattern, '/');
    kst_auto_free char *segment = kst_strndup(pattern,
                                              slash ? (size_t)(slash - pattern) : strlen(pattern));
    struct matcher matcher = {.lister = self, .segment = segment};
    int code = 0;

    if (strpbrk(segment, "*?["))
        code = self->walk->ops->each(self->walk->tree, dir, match_name, &matcher, err);
    else
        names_add(&matcher.names, segment);
    for (size_t i = 0; i < matcher.names.count && code == 0; i++) {
        kst_auto_free char *path = *prefix ? kst_asprintf("%s/%s", prefix, matcher.names.items[i])
                                           : kst_strdup(matcher.names.items[i]);
        code = list_name(self, path, slash ? slash + 1 : NULL, err);
    }
    names_release(&matcher.names);
    return code;
}

int kst_walk_list(const struct kst_walk *self, const char *pattern, struct kst_json **paths,
                  struct kst_err **err)
{
    struct lister lister = {.walk = self};
    int code = kst_walk_check(pattern, false, err);
    if (code == 0)
        code = list_level(&lister, &self->root, "", pattern, err);
    if (code == 0) {
        struct kst_json *array = kst_json_array();
        if (lister.found.count)
            qsort(lister.found.items, lister.found.count, sizeof(char *), compare);
        for (size_t i = 0; i < lister.found.count; i++)
            kst_json_push(array, kst_json_from_str(lister.found.items[i]));
        *paths = array;
    }
    names_release(&lister.found);
    return code;
}
