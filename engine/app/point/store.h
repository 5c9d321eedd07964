/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where archives are: in Secrets of Kassette's namespace (one a part, immutable, owned by the
 * RestorePoint, so that they go with it), or in a directory (`kassette save`, `kassette load`).
 *
 * Secrets are named "<point>-objects-00000", "<point>-blueprints-00000", "<point>-index-00000",
 * have the type kassette.io/restore-point, the member's name as their only key, and the labels
 * kassette.io/restore-point, kassette.io/member ("objects", "blueprints", "index") and
 * kassette.io/part ("00000").
 */
#ifndef KST_APP_POINT_STORE_H
#define KST_APP_POINT_STORE_H

#include "app/point/archive.h"

struct kst_kube;
struct kst_point_store;

/* In the Secrets of the RestorePoint `point` (its object: name, namespace and uid are read;
 * copied). `kube` is borrowed. Never yields. */
struct kst_point_store *kst_point_store_secrets(struct kst_kube *kube,
                                                const struct kst_json *point);
/* In a directory, which the first put makes where it is absent (its parent must be there).
 * KST_E_IO.
 */
int kst_point_store_dir(const char *path, struct kst_point_store **out, struct kst_err **err);
void kst_point_store_free(struct kst_point_store *self);

/* As a sink and a source, borrowed. A put of what is there with the same content is success; with
 * other content KST_E_EXISTS. */
const struct kst_archive_sink *kst_point_store_sink(struct kst_point_store *self);
const struct kst_archive_source *kst_point_store_source(struct kst_point_store *self);
/* Removes all parts of all members: before capturing anew what a dead engine has begun. Yields. */
int kst_point_store_clear(struct kst_point_store *self, struct kst_err **err);
/* Copies all members. The index comes last. Yields. */
int kst_point_store_copy(struct kst_point_store *from, struct kst_point_store *to,
                         struct kst_err **err);

#endif
