/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and reading the files of an author's own folders. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "git/source.h"

enum { MAX_FILES = 1000, MAX_DEPTH = 6, FILE_BYTES = 1024 * 1024 };

struct search {
    const char *base;
    bool any;
    struct kst_own_files *out;
};

static bool is_file(const char *path)
{
    struct stat stat_;
    return stat(path, &stat_) == 0 && S_ISREG(stat_.st_mode);
}

/* The name of the folder that the path is in, also where the path does not say it. */
static char *folder_name(const char *folder)
{
    kst_auto_free char *real = realpath(*folder ? folder : ".", NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    return kst_strdup(slash && slash[1] ? slash + 1 : "root");
}

static int add_file(struct search *self, const char *path, struct kst_err **err)
{
    struct kst_own_files *out = self->out;
    while (strncmp(path, "./", 2) == 0)
        path += 2 + strspn(path + 2, "/");
    for (size_t i = 0; i < out->count; i++) {
        if (strcmp(out->items[i].path, path) == 0)
            return 0;
    }
    if (out->count == MAX_FILES)
        return kst_err_set(err, KST_E_LIMIT, "there are more than %d files called %s", MAX_FILES,
                           self->base);
    const char *slash = strrchr(path, '/');
    kst_auto_free char *folder = kst_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    kst_auto_free char *parent = folder_name(folder);
    struct kst_source *source = NULL;
    int rc = kst_source_open_dir(*folder ? folder : ".", 0, &source, err);
    if (rc < 0)
        return rc;
    out->items = kst_realloc(out->items, (out->count + 1) * sizeof(*out->items));
    out->items[out->count++] = (struct kst_own_file){
        .path = kst_strdup(path),
        .folder = kst_take(folder),
        .name = kst_asprintf("%s/%s", parent, slash ? slash + 1 : path),
        .source = source,
    };
    return 0;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* In order of names; links to folders are not followed. */
static int search_folder(struct search *self, const char *folder, int depth, struct kst_err **err)
{
    struct dirent **entries = NULL;
    kst_auto_free char *wanted = kst_asprintf("%s/%s", folder, self->base);
    kst_auto_free char *blueprint = kst_asprintf("%s/blueprint.lua", folder);
    int rc = is_file(wanted) && is_file(blueprint) ? add_file(self, wanted, err) : 0;
    int count = rc < 0 || depth >= MAX_DEPTH ? 0 : scandir(folder, &entries, visible, alphasort);
    if (count < 0)
        return kst_err_set(err, KST_E_IO, "folder %s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        kst_auto_free char *path = kst_asprintf("%s/%s", folder, entries[i]->d_name);
        struct stat stat_;
        if (rc == 0 && lstat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode))
            rc = search_folder(self, path, depth + 1, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* A file stands for the one called `base` beside it, or for itself. */
static int search_file(struct search *self, const char *path, struct kst_err **err)
{
    const char *slash = strrchr(path, '/');
    if (self->any || strcmp(slash ? slash + 1 : path, self->base) == 0)
        return add_file(self, path, err);
    kst_auto_free char *wanted = kst_asprintf("%.*s%s", slash ? (int)(slash - path) + 1 : 0, path,
                                              self->base);
    if (is_file(wanted))
        return add_file(self, wanted, err);
    return kst_err_set(err, KST_E_NOT_FOUND, "there is no %s beside %s", self->base, path);
}

static int search_one(struct search *self, const char *given, struct kst_err **err)
{
    struct stat stat_;
    if (stat(given, &stat_) < 0) {
        kst_err_set(err, KST_E_USAGE, "%s: %s", given, strerror(errno));
        kst_err_hint(err, "expected a file, or a folder with blueprints in or below it");
        return KST_E_USAGE;
    }
    if (!S_ISDIR(stat_.st_mode))
        return search_file(self, given, err);
    size_t len = strlen(given);
    while (len > 1 && given[len - 1] == '/')
        len--;
    kst_auto_free char *folder = kst_strndup(given, len);
    return search_folder(self, folder, 0, err);
}

int kst_own_files_find(char **args, const char *base, bool any, struct kst_own_files *out,
                       struct kst_err **err)
{
    static char here[] = ".";
    char *none[] = {here, NULL};
    struct search search = {.base = base, .any = any, .out = out};
    *out = (struct kst_own_files){0};
    char **given = *args ? args : none;
    int rc = 0;
    for (char **at = given; rc == 0 && *at; at++)
        rc = search_one(&search, *at, err);
    if (rc == 0 && out->count == 0) {
        rc = kst_err_set(err, KST_E_NOT_FOUND, "there is no %s in or below %s%s", base, given[0],
                         given[1] ? " and the others" : "");
        kst_err_hint(err, "begin one with: kassette blueprint new NAME");
    }
    if (rc < 0)
        kst_own_files_release(out);
    return rc;
}

void kst_own_files_release(struct kst_own_files *self)
{
    for (size_t i = 0; i < self->count; i++) {
        kst_source_free(self->items[i].source);
        free(self->items[i].path);
        free(self->items[i].folder);
        free(self->items[i].name);
    }
    free(self->items);
    *self = (struct kst_own_files){0};
}

int kst_own_file_read(void *file, const char *name, struct kst_buf *text, struct kst_err **err)
{
    const struct kst_own_file *self = file;
    const char *slash = strchr(name, '/');
    return kst_source_read(self->source, slash ? slash + 1 : name, text, err);
}

char *kst_own_file_place(const struct kst_own_file *self, const char *message)
{
    size_t len = strcspn(self->name, "/") + 1;
    if (strncmp(message, self->name, len) != 0)
        return kst_strdup(message);
    return kst_asprintf("%s%s", self->folder, message + len);
}

/* ---- a copy ---- */

static int copy_file(const struct kst_own_file *self, const char *name, const char *to,
                     struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    int rc = kst_own_file_read((void *)self, name, &text, err);
    if (rc < 0)
        return rc;
    FILE *file = fopen(to, "we");
    bool written = file && fwrite(text.data, 1, text.len, file) == text.len;
    if (file && fclose(file) != 0)
        written = false;
    return written ? 0 : kst_err_set(err, KST_E_IO, "%s: %s", to, strerror(errno));
}

static int copy_folder(const struct kst_own_file *self, const char *from, const char *name,
                       const char *to, int depth, struct kst_err **err)
{
    struct dirent **entries = NULL;
    if (mkdir(to, 0700) != 0)
        return kst_err_set(err, KST_E_IO, "folder %s: %s", to, strerror(errno));
    int count = scandir(from, &entries, visible, alphasort), rc = 0;
    for (int i = 0; i < count; i++) {
        const char *own = entries[i]->d_name;
        struct stat stat_;
        size_t len = strlen(own);
        kst_auto_free char *path = kst_asprintf("%s/%s", from, own);
        kst_auto_free char *own_name = kst_asprintf("%s/%s", name, own);
        kst_auto_free char *copy = kst_asprintf("%s/%s", to, own);
        bool is_lua = len > 4 && strcmp(own + len - 4, ".lua") == 0;
        if (rc == 0 && depth < MAX_DEPTH && lstat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode))
            rc = copy_folder(self, path, own_name, copy, depth + 1, err);
        else if (rc == 0 && is_lua)
            rc = copy_file(self, own_name, copy, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int kst_own_folder_copy(const struct kst_own_file *self, const char *to, struct kst_err **err)
{
    if (mkdir(to, 0700) != 0)
        return kst_err_set(err, KST_E_IO, "folder %s: %s", to, strerror(errno));
    size_t len = strlen(self->folder);
    kst_auto_free char *from = len > 1 ? kst_strndup(self->folder, len - 1)
                                       : kst_strdup(len ? "/" : ".");
    kst_auto_free char *name = kst_strndup(self->name, strcspn(self->name, "/"));
    kst_auto_free char *copy = kst_asprintf("%s/%s", to, name);
    return copy_folder(self, from, name, copy, 0, err);
}
