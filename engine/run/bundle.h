/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blueprints of one run: the files that were read from its source, kept as a ConfigMap beside
 * the Run before anything is frozen. A thaw must not depend on a Git server being there: a
 * successor reads the same files, of the same commit, from the cluster.
 */
#ifndef KST_RUN_BUNDLE_H
#define KST_RUN_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>

struct kst_buf;
struct kst_bundle;
struct kst_err;
struct kst_json;
struct kst_run;

/* Opens the run's source: the ConfigMap where a predecessor stored one, else the Git repository of
 * spec.source (at status.source.commit where there is one), else what is compiled in. Fills in
 * status.source. Yields. */
int kst_bundle_open(struct kst_run *run, struct kst_bundle **out, struct kst_err **err);
void kst_bundle_free(struct kst_bundle *self);

/* Paths of the blueprints in it ("postgresql/blueprint.lua"), sorted, as a JSON array; with the
 * built-in `generic` one as "builtin:generic/blueprint.lua" where the source has no generic. The
 * caller frees it. */
int kst_bundle_list(struct kst_bundle *self, struct kst_json **paths, struct kst_err **err);
/* A kst_lua_read_fn (arg: the bundle). What it gives is remembered. */
int kst_bundle_read(void *arg, const char *path, struct kst_buf *text, struct kst_err **err);
/* The files (taken; path -> text) instead of the source's: those that made a restore point. To be
 * stored. Nothing is changed where a predecessor stored some. */
void kst_bundle_replace(struct kst_bundle *self, struct kst_json *files);
/* What was read so far, path -> text; borrowed. Of a NULL bundle there is nothing: NULL. */
const struct kst_json *kst_bundle_files(const struct kst_bundle *self);
/* Stores what was read as ConfigMap "<run>-blueprints", owned by the Run. Idempotent. Yields.
 * KST_E_LIMIT beyond 900 KB. */
int kst_bundle_store(struct kst_bundle *self, struct kst_run *run, struct kst_err **err);

#endif
