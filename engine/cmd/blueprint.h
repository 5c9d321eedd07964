/* SPDX-License-Identifier: Apache-2.0 */
/* What the subcommands of `kassette blueprint` share. */
#ifndef KST_CMD_BLUEPRINT_H
#define KST_CMD_BLUEPRINT_H

#include <stdbool.h>

#include "cmd/cmd.h"

struct kst_buf;
struct kst_source;

struct kst_blueprint_options {
    const char *source, *ref, *path, *directory, *credentials; /* list, show */
    const char *kind, *image;                                  /* new */
    const char *junit, *filter, *jobs;                         /* test */
    struct kst_list load, params;                              /* run */
    const char *images;
    bool trace;
    bool strict; /* lint */
};

/* Each gets what follows its own name on the command line. */
int kst_blueprint_new(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                      struct kst_err **err);
int kst_blueprint_lint(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       char **args, struct kst_err **err);
int kst_blueprint_run(struct kst_cmd *cmd, const struct kst_blueprint_options *options, char **args,
                      struct kst_err **err);
int kst_blueprint_test(struct kst_cmd *cmd, const struct kst_blueprint_options *options,
                       char **args, struct kst_err **err);

/*
 * A file of an author's own folders. In interpreters, and so in their messages, it has the short
 * name FOLDER/FILE, as a blueprint has in a run; people get the path to open.
 */
struct kst_own_file {
    char *path;                /* as it was found: what was given, and below it */
    char *folder;              /* of the path, "" or ending with '/' */
    char *name;                /* "redis/test.lua" */
    struct kst_source *source; /* the folder: links do not lead out of it */
};
struct kst_own_files {
    struct kst_own_file *items;
    size_t count;
};

/* Finds files called `base` ("test.lua"): beside the files that `args` name, and in and below the
 * folders (none: the current one) where a blueprint is, hidden ones left out. A file with another
 * name is taken itself where `any` is set. KST_E_NOT_FOUND where there is none, KST_E_LIMIT beyond
 * 1000. Blocks on the file system. */
int kst_own_files_find(char **args, const char *base, bool any, struct kst_own_files *out,
                       struct kst_err **err);
void kst_own_files_release(struct kst_own_files *self);
/* A kst_lua_read_fn whose argument is the kst_own_file: names begin with its own folder. */
int kst_own_file_read(void *file, const char *name, struct kst_buf *text, struct kst_err **err);
/* A message that begins with the file's short name, with the path instead; the caller frees it. */
char *kst_own_file_place(const struct kst_own_file *self, const char *message);
/* Makes the folder `to`, and in it a copy of the file's folder, as far as a run reads it (.lua):
 * what a run takes for its source. KST_E_IO, KST_E_LIMIT. */
int kst_own_folder_copy(const struct kst_own_file *self, const char *to, struct kst_err **err);

#endif
