/* SPDX-License-Identifier: Apache-2.0 */
/* kassette blueprint lint: what is wrong with blueprints, told without running them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "cmd/blueprint.h"
#include "lua/lint.h"

enum { FILE_BYTES = 1024 * 1024, MAX_DEPTH = 6 };

struct job {
    struct kst_lint *lint;
    struct kst_own_file *file; /* in whose folder it looks */
    size_t count;
};

static bool is_called(const char *path, const char *base)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, base) == 0;
}

/* `path` and `name` are what people and interpreters call the file. */
static int lint_one(struct job *self, const char *path, const char *name, struct kst_err **err)
{
    kst_auto_buf text = KST_BUF_INIT(FILE_BYTES);
    int rc = kst_own_file_read(self->file, name, &text, err);
    if (rc < 0)
        return rc;
    const struct kst_lint_file file = {
        .role = is_called(name, "blueprint.lua") ? KST_LINT_BLUEPRINT
                : is_called(name, "test.lua")    ? KST_LINT_TEST
                                                 : KST_LINT_MODULE,
        .name = name,
        .path = path,
        .text = text.data,
        .len = text.len,
        .read = kst_own_file_read,
        .read_arg = self->file,
    };
    kst_lint_file(self->lint, &file);
    self->count++;
    return 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int lint_folder(struct job *self, const char *path, const char *name, int depth,
                       struct kst_err **err);

/* What is beside a blueprint: its test and its modules. */
static int lint_entry(struct job *self, const char *path, const char *name, int depth,
                      struct kst_err **err)
{
    struct stat stat_;
    size_t len = strlen(path);
    if (lstat(path, &stat_) != 0)
        return 0;
    if (S_ISDIR(stat_.st_mode)) {
        kst_auto_free char *own = kst_asprintf("%s/blueprint.lua", path);
        bool is_other = stat(own, &stat_) == 0;
        return is_other || depth >= MAX_DEPTH ? 0 : lint_folder(self, path, name, depth + 1, err);
    }
    bool is_lua = len > 4 && strcmp(path + len - 4, ".lua") == 0;
    return is_lua && strcmp(path, self->file->path) != 0 ? lint_one(self, path, name, err) : 0;
}

static int lint_folder(struct job *self, const char *path, const char *name, int depth,
                       struct kst_err **err)
{
    struct dirent **entries = NULL;
    int count = scandir(*path ? path : ".", &entries, is_visible, alphasort), rc = 0;
    for (int i = 0; i < count; i++) {
        size_t len = strlen(path);
        const char *slash = len && path[len - 1] != '/' ? "/" : "";
        kst_auto_free char *below = kst_asprintf("%s%s%s", path, slash, entries[i]->d_name);
        kst_auto_free char *short_name = kst_asprintf("%s/%s", name, entries[i]->d_name);
        if (rc == 0)
            rc = lint_entry(self, below, short_name, depth, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int lint_all(struct job *self, struct kst_own_files *files, struct kst_err **err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < files->count; i++) {
        struct kst_own_file *file = self->file = &files->items[i];
        rc = lint_one(self, file->path, file->name, err);
        if (rc == 0 && is_called(file->name, "blueprint.lua")) {
            kst_auto_free char *folder = kst_strndup(file->name, strcspn(file->name, "/"));
            rc = lint_folder(self, file->folder, folder, 0, err);
        }
    }
    return rc;
}

static size_t print_findings(const struct kst_json *findings, const char *severity, bool text)
{
    size_t count = 0;
    for (const struct kst_json *row = kst_json_first(findings); row; row = kst_json_next(row)) {
        const char *hint = kst_json_path_str(row, "hint"), *is = kst_json_path_str(row, "severity");
        count += strcmp(is, severity) == 0;
        if (!text)
            continue;
        printf("%s:%lld:%lld: %s: %s [%s]\n", kst_json_path_str(row, "file"),
               (long long)kst_json_path_int(row, "line", 0),
               (long long)kst_json_path_int(row, "column", 0), is,
               kst_json_path_str(row, "message"), kst_json_path_str(row, "rule"));
        if (hint)
            printf("    %s\n", hint);
    }
    return count;
}

static int report(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                  const struct job *job, const struct kst_json *findings, int64_t started_us,
                  struct kst_err **err)
{
    bool text = cmd->output == KST_OUTPUT_TEXT;
    size_t errors = print_findings(findings, "error", text);
    size_t warnings = print_findings(findings, "warning", false);
    int rc = 0;
    if (!text) {
        kst_auto_json struct kst_json *all = kst_json_make(
            "{'files':%L,'errors':%L,'warnings':%L,'findings':%J}", (int64_t)job->count,
            (int64_t)errors, (int64_t)warnings, findings);
        rc = kst_cmd_print(cmd, all, err);
    } else {
        printf("%zu file%s, %zu error%s, %zu warning%s in %.1f ms\n", job->count,
               job->count == 1 ? "" : "s", errors, errors == 1 ? "" : "s", warnings,
               warnings == 1 ? "" : "s", (double)(kst_now_us() - started_us) / 1000);
    }
    if (rc == 0 && (errors || (options->strict && warnings)))
        rc = kst_err_set(err, KST_E_FAILED, "%zu finding%s", errors + warnings,
                         errors + warnings == 1 ? "" : "s");
    return rc;
}

int kst_blueprint_lint(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       char **args, struct kst_err **err)
{
    struct kst_own_files files;
    struct job job = {0};
    kst_auto_json struct kst_json *findings = NULL;
    int64_t started_us = kst_now_us();
    int rc = kst_own_files_find(args, "blueprint.lua", true, &files, err);
    if (rc < 0)
        return rc;
    rc = kst_lint_new(cmd->loop, &job.lint, err);
    if (rc == 0)
        rc = lint_all(&job, &files, err);
    if (rc == 0)
        kst_lint_end(job.lint, &findings);
    kst_lint_free(job.lint);
    kst_own_files_release(&files);
    return rc < 0 ? rc : report(cmd, options, &job, findings, started_us, err);
}
