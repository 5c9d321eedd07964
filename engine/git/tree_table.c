/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of files in memory as trees. A folder is a prefix that ends with '/', or "". */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/source.h"
#include "git/tree.h"

struct table {
    const struct kst_source_file *files;
    size_t count;
};

/* The first entry that is not before `text`. */
static size_t lower_bound(const struct table *table, const char *text)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(table->files[middle].path, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int table_look(void *tree, const struct kst_walk_node *dir, const char *name,
                      struct kst_walk_node *out, struct kst_err **err)
{
    const struct table *table = tree;
    *out = (struct kst_walk_node){0};
    kst_auto_free char *path = kst_asprintf("%s%s", (const char *)dir->handle, name);
    size_t at = lower_bound(table, path);
    if (at < table->count && strcmp(table->files[at].path, path) == 0) {
        out->kind = KST_WALK_FILE;
        out->handle = (void *)(uintptr_t)&table->files[at];
        return 0;
    }
    kst_auto_free char *prefix = kst_asprintf("%s/", path);
    at = lower_bound(table, prefix);
    if (at < table->count && strncmp(table->files[at].path, prefix, strlen(prefix)) == 0) {
        out->kind = KST_WALK_DIR;
        out->handle = kst_take(prefix);
    }
    return 0;
}

static int table_link(void *tree, const struct kst_walk_node *node, struct kst_buf *target,
                      struct kst_err **err)
{
    return kst_err_set(err, KST_E_INVALID, "a table of files has no symbolic links");
}

static int table_read(void *tree, const struct kst_walk_node *node, const char *path,
                      size_t max_bytes, struct kst_buf *text, struct kst_err **err)
{
    const struct kst_source_file *file = node->handle;
    if (file->size > max_bytes || kst_buf_add(text, file->data, file->size) < 0)
        return kst_err_set(err, KST_E_LIMIT, "file '%s' is larger than the buffer for it", path);
    return 0;
}

static int table_each(void *tree, const struct kst_walk_node *dir, kst_walk_name_fn *call,
                      void *arg, struct kst_err **err)
{
    const struct table *table = tree;
    const char *prefix = dir->handle;
    size_t len = strlen(prefix);
    kst_auto_free char *last = NULL;

    for (size_t i = lower_bound(table, prefix); i < table->count; i++) {
        const char *path = table->files[i].path;
        if (strncmp(path, prefix, len) != 0)
            break;
        /* The files below one folder stand side by side: it is named once. */
        char *name = kst_strndup(path + len, strcspn(path + len, "/"));
        bool again = last && strcmp(last, name) == 0;
        free(last);
        last = name;
        int code = again ? 0 : call(arg, name, err);
        if (code < 0)
            return code;
    }
    return 0;
}

static void table_close(void *tree, struct kst_walk_node *node)
{
    if (node->kind == KST_WALK_DIR)
        free(node->handle);
}

void kst_tree_of_table(const struct kst_source_file *files, size_t count, const char *prefix,
                       struct kst_walk *out)
{
    static const struct kst_walk_ops ops = {
        .look = table_look,
        .link = table_link,
        .read = table_read,
        .each = table_each,
        .close = table_close,
        .free = free,
    };
    struct table *table = kst_malloc(sizeof(*table));
    *table = (struct table){files, count};
    *out = (struct kst_walk){.ops = &ops, .tree = table, .root = {.kind = KST_WALK_DIR}};
    out->root.handle = prefix && *prefix ? kst_asprintf("%s/", prefix) : kst_strdup("");
}
