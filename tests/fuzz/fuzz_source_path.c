/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees as a Git server may send them, and the paths that lead through them. The input is a list of
 * records; '\xff' ends one:
 *   b TEXT    a blob, or the target of a link
 *   t ENTRIES a tree; an entry is MODE ' ' NAME '\0' and one byte, the number of an earlier record
 *   p PATH    read it from the root: the tree that came last
 *   l PATTERN list it
 * Whatever is read must be one of the blobs.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <git2.h>
#include <git2/sys/mempack.h>
#include <git2/sys/repository.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "git/library.h"
#include "git/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 64, INPUT_MAX = 8192 };

struct record {
    char kind;
    struct kst_str text;
    git_oid id;
};

struct input {
    struct record records[RECORDS];
    unsigned count;
};

static void split(struct input *self, const uint8_t *data, size_t size)
{
    struct kst_str rest = {(const char *)data, size}, part;
    self->count = 0;
    while (self->count < RECORDS && kst_str_split(&rest, '\xff', &part)) {
        if (part.len < 1)
            continue;
        self->records[self->count++] = (struct record){
            .kind = part.data[0],
            .text = {part.data + 1, part.len - 1},
        };
    }
}

/* A tree object: the byte after each name becomes the id of an earlier record. */
static void build_tree(const struct input *self, unsigned at, struct kst_buf *out)
{
    struct kst_str text = self->records[at].text;
    while (text.len) {
        const char *end = memchr(text.data, 0, text.len);
        if (!end || end + 1 == text.data + text.len)
            break;
        unsigned number = (unsigned char)end[1];
        git_oid id = {{0}};
        if (at)
            id = self->records[number % at].id;
        kst_buf_add(out, text.data, (size_t)(end + 1 - text.data));
        kst_buf_add(out, id.id, sizeof(id.id));
        text.len -= (size_t)(end + 2 - text.data);
        text.data = end + 2;
    }
}

/* Writes blobs, trees and a commit of the last tree; false where there is none. */
static bool build(struct input *self, git_odb *odb, char commit[GIT_OID_HEXSZ + 1])
{
    const git_oid *root = NULL;
    for (unsigned i = 0; i < self->count; i++) {
        struct record *record = &self->records[i];
        kst_auto_buf tree = KST_BUF_INIT(1 << 20);
        if (record->kind == 'b') {
            assert(git_odb_write(&record->id, odb, record->text.data, record->text.len,
                                 GIT_OBJECT_BLOB) == 0);
        } else if (record->kind == 't') {
            build_tree(self, i, &tree);
            assert(git_odb_write(&record->id, odb, tree.data, tree.len, GIT_OBJECT_TREE) == 0);
            root = &record->id;
        }
    }
    if (!root)
        return false;
    char hex[GIT_OID_HEXSZ + 1];
    git_oid id;
    git_oid_tostr(hex, sizeof(hex), root);
    kst_auto_free char *text = kst_asprintf(
        "tree %s\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\nx\n", hex);
    assert(git_odb_write(&id, odb, text, strlen(text), GIT_OBJECT_COMMIT) == 0);
    git_oid_tostr(commit, GIT_OID_HEXSZ + 1, &id);
    return true;
}

static void check_blob(const struct input *self, const struct kst_buf *text)
{
    for (unsigned i = 0; i < self->count; i++) {
        struct kst_str blob = self->records[i].text;
        if (self->records[i].kind == 'b' && blob.len == text->len &&
            memcmp(blob.data, text->data, text->len) == 0)
            return;
    }
    /* A mode may call a tree a file; then nothing is read. */
    assert(!"what was read is none of the blobs");
}

static void walk_path(const struct input *self, const struct kst_walk *walk, const char *path)
{
    kst_auto_err struct kst_err *err = NULL;
    struct kst_walk_node node = {0};
    kst_auto_buf text = KST_BUF_INIT(1 << 20);
    if (kst_walk_check(path, false, &err) < 0 || kst_walk_resolve(walk, path, &node, &err) < 0) {
        assert(err && *kst_err_message(err));
        return;
    }
    assert(node.kind == KST_WALK_FILE || node.kind == KST_WALK_DIR);
    if (node.kind == KST_WALK_FILE &&
        walk->ops->read(walk->tree, &node, path, INPUT_MAX, &text, &err) == 0)
        check_blob(self, &text);
    walk->ops->close(walk->tree, &node);
}

static void walk_all(const struct input *self, const struct kst_walk *walk)
{
    for (unsigned i = 0; i < self->count; i++) {
        const struct record *record = &self->records[i];
        kst_auto_free char *text = kst_strndup(record->text.data, record->text.len);
        struct kst_json *paths = NULL;
        if (record->kind == 'p')
            walk_path(self, walk, text);
        if (record->kind != 'l' || kst_walk_list(walk, text, &paths, NULL) < 0)
            continue;
        for (size_t j = 0; j < kst_json_len(paths); j++)
            walk_path(self, walk, kst_json_str(kst_json_at(paths, j)));
        kst_json_free(paths);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input;
    struct kst_walk walk = {0};
    char commit[GIT_OID_HEXSZ + 1];
    git_odb *odb = NULL;
    git_odb_backend *memory = NULL;
    git_repository *repo = NULL;
    static bool started;

    if (size > INPUT_MAX)
        return 0;
    if (!started) /* held for good: starting libgit2 for each input would be all that is done */
        assert(kst_git_init(NULL) == 0);
    started = true;
    split(&input, data, size);
    assert(kst_git_init(NULL) == 0);
    assert(git_odb_new(&odb) == 0 && git_mempack_new(&memory) == 0);
    assert(git_odb_add_backend(odb, memory, 1) == 0);
    assert(git_repository_wrap_odb(&repo, odb) == 0);
    if (!build(&input, odb, commit)) {
        git_repository_free(repo);
        kst_git_exit();
    } else if (kst_tree_of_repository(repo, commit, &walk, NULL) == 0) {
        walk_all(&input, &walk);
        kst_walk_release(&walk);
    }
    git_odb_free(odb);
    return 0;
}
