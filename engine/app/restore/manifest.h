/* SPDX-License-Identifier: Apache-2.0 */
/* What the pure functions of restore ask of an object: its group and kind, and where its Pod
 * template lies. Objects come from anybody: nothing is taken for granted but that it is JSON. */
#ifndef KST_APP_RESTORE_MANIFEST_H
#define KST_APP_RESTORE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

struct kst_json;

#define KST_MANIFEST_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* The group of an apiVersion: "apps" of "apps/v1", "" of "v1" and of what is absent. Its length is
 * the result; the text, which is borrowed, goes on. */
size_t kst_manifest_group(const struct kst_json *object, const char **group);
/* Whether the object is of this group ("" for core) and kind, in whatever version. */
bool kst_manifest_is(const struct kst_json *object, const char *group, const char *kind);
/* The kind, "" where there is none; borrowed. */
const char *kst_manifest_kind(const struct kst_json *object);
/* Whether an API server knows the kind by itself: it is not a custom resource. */
bool kst_manifest_is_builtin(const struct kst_json *object);
/* The string at a path, "" where there is none; borrowed. */
const char *kst_manifest_text(const struct kst_json *object, const char *path);
/* An entry of metadata.labels or metadata.annotations (`map`), or NULL; borrowed. */
const char *kst_manifest_mark(const struct kst_json *object, const char *map, const char *key);

/* A child by a path of keys, to be changed; NULL where there is none. */
struct kst_json *kst_manifest_mut(struct kst_json *object, const char *path);
/* Removes what lies at a path of keys; the containers above it stay. */
void kst_manifest_remove(struct kst_json *object, const char *path);
/* Calls `visit` for each value that lies at a path of keys, in which * stands for every entry of a
 * list or object ("volumes.*.secret.secretName"). The visitor may replace the value in its parent
 * (kst_json_replace). */
typedef void kst_manifest_visitor(void *arg, struct kst_json *parent, struct kst_json *value);
void kst_manifest_visit(struct kst_json *object, const char *path, kst_manifest_visitor *visit,
                        void *arg);
/* What has the form of a Pod ({metadata, spec}): a Pod itself, a PodTemplate's template, or the
 * template of a built-in workload; NULL for other kinds. */
struct kst_json *kst_manifest_pod(struct kst_json *object);
/* The object in the annotation of `kubectl apply`, parsed; the caller frees it. NULL where there is
 * none, or what is no object. */
struct kst_json *kst_manifest_last_applied(const struct kst_json *object);
/* Whether the name is "<stem>-<infix>-xxxxx" (or "<stem>-xxxxx" with an empty infix), x as
 * Kubernetes chooses them for generated names. A NULL stem stands for any. */
bool kst_manifest_is_generated(const char *name, const char *stem, const char *infix);

#endif
