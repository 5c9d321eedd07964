/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests into the embedded cluster, as `kubectl apply` would put them there. */
#ifndef KST_SANDBOX_LOAD_H
#define KST_SANDBOX_LOAD_H

#include <stddef.h>

struct kst_api;
struct kst_err;
struct kst_json;

/* All YAML and JSON files of a folder (in the order of their names, not below it), or one file.
 * *count is how many objects were made. Blocks on the file system. KST_E_NOT_FOUND, KST_E_PARSE,
 * KST_E_INVALID, each with the file and the object. */
int kst_load_path(struct kst_api *api, const char *path, size_t *count, struct kst_err **err);
/* What every cluster has beside what kst_bootstrap() makes: the roles for people. */
int kst_load_bootstrap(struct kst_api *api, struct kst_err **err);
/* What is in a sandbox from its start: Kassette's own resources and namespace, and the snapshot
 * resources and classes of its storage. */
int kst_load_builtin(struct kst_api *api, struct kst_err **err);
/* The documents of a parsed file: objects, Lists of them; one that is there already gets the state
 * that the manifest has. Namespaces that are named and are not there are made. A status that a
 * manifest holds is kept, so that a test can describe a world. */
int kst_load_documents(struct kst_api *api, const struct kst_json *documents, const char *source,
                       size_t *count, struct kst_err **err);

#endif
