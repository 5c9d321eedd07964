/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the storage stand-in share: external-provisioner (provision.c),
 * snapshot-controller (snapshot.c), csi-snapshotter and driver (content.c).
 */
#ifndef KST_TESTS_CLUSTER_STORAGE_DIRCSI_H
#define KST_TESTS_CLUSTER_STORAGE_DIRCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "controller.h"

struct kst_json;

#define DRIVER    "dir.csi.kassette.test"
#define SNAPSHOTS "snapshot.storage.kubernetes.io/"

extern struct dircsi {
    const char *volumes; /* the directory of all volumes */
    const char *cuts;    /* the log of cuts */
    const char *node;
    struct controller *claims, *pvs, *snapshots, *contents;
} dircsi;

reconcile_fn reconcile_claim, reconcile_pv, reconcile_snapshot, reconcile_content;

/* Settings of ConfigMap kube-system/dircsi-faults; keys of one claim ("shop.data-db-0.cutDelayMs")
 * win. The caller frees the text; NULL where it is not set. */
char *fault_text(struct kst_kube *kube, const char *ns, const char *claim, const char *key);
int64_t fault_ms(struct kst_kube *kube, const char *ns, const char *claim, const char *key);
bool fault_is_set(struct kst_kube *kube, const char *ns, const char *claim, const char *key);

/* Whether metadata.finalizers has it; and the list with or without it, put there by a patch. */
bool has_finalizer(const struct kst_json *object, const char *finalizer);
int set_finalizer(struct kst_kube *kube, const struct kst_kube_resource *resource,
                  const struct kst_json *object, const char *finalizer, bool there,
                  struct kst_err **err);
/* The directory of a volume or a cut; the caller frees it. */
char *path_of(const char *handle);
/* Cuts in a thread of its own, the fiber yields. */
int cut_volume(const char *from, const char *to, bool read_only, struct kst_err **err);

#endif
