/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of objects that get, describe and delete know: how people call them, what they see of
 * them in a table, and what they are told about one.
 */
#ifndef KST_CMD_KIND_H
#define KST_CMD_KIND_H

#include <stdbool.h>
#include <stddef.h>

struct kst_cmd;
struct kst_err;
struct kst_json;
struct kst_kube;
struct kst_kube_resource;

enum { KST_KIND_COLUMNS = 12, KST_KIND_CELL = 128 };

struct kst_kind {
    const struct kst_kube_resource *resource;
    const char *const *words;   /* by which it is called beside its kind, plural and singular */
    const char *const *columns; /* ended by NULL; at most KST_KIND_COLUMNS */
    int narrow;                 /* how many of them are there without -o wide */
    /* The cells of an object, which are empty texts before. */
    void (*fill)(const struct kst_json *object, char (*cells)[KST_KIND_CELL]);
    /* Prints it for people. Yields. */
    void (*describe)(struct kst_kube *kube, const struct kst_json *object);
};

extern const struct kst_kind kst_kind_run, kst_kind_point;

/* "points", "RestorePoint", "rp", "restorepoints.kassette.io"; NULL where it is none. */
const struct kst_kind *kst_kind_find(const char *word);
/* Takes the kind from the command's arguments, as kubectl does: "points", "point NAME...",
 * "point/NAME"; `otherwise` where they begin with none. A single argument is a name where `lone` is
 * not set. cmd->args holds names alone then. */
const struct kst_kind *kst_kind_take(struct kst_cmd *cmd, const struct kst_kind *otherwise,
                                     bool lone);
/* Prints a table of the objects (a JSON array). */
void kst_kind_print(const struct kst_kind *self, const struct kst_json *objects, bool wide);

/* Tells what a backup has left, after its progress. Yields. */
void kst_kind_tell_point(struct kst_kube *kube, const char *home, const char *name);

/* For the kinds: cells. What is absent leaves the cell empty. */
void kst_kind_cell(char *cell, const char *text);
void kst_kind_cell_int(char *cell, const struct kst_json *number);
void kst_kind_cell_age(char *cell, const struct kst_json *object);
void kst_kind_cell_bytes(char *cell, const struct kst_json *number);
void kst_kind_cell_commit(char *cell, const struct kst_json *status);

/* For the kinds: what they describe alike. Texts that are absent are "", fields without a value are
 * not printed. */
const char *kst_kind_text(const struct kst_json *value, const char *path);
void kst_kind_field(const char *name, const char *value);
void kst_kind_print_source(const struct kst_json *status);
void kst_kind_print_freeze(const struct kst_json *status);
void kst_kind_print_bindings(const struct kst_json *status);
void kst_kind_print_artifacts(const struct kst_json *status);
/* Yields. */
void kst_kind_print_events(struct kst_kube *kube, const struct kst_json *object);

#endif
