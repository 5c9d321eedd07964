/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory of a sandbox: volumes, logs, the kubeconfig. One of our own in the directory for
 * temporary files is locked as long as we live, by which the next sandbox knows what a killed one
 * has left, and removes it.
 */
#ifndef KST_SANDBOX_PLACE_H
#define KST_SANDBOX_PLACE_H

struct kst_err;
struct kst_place;

/* `dir` (made where it is missing, and kept), or NULL for a new one that goes with us. Blocks on
 * the file system. KST_E_IO. */
int kst_place_new(const char *dir, struct kst_place **out, struct kst_err **err);
/* Absolute; and the directory of volumes below it. Borrowed. */
const char *kst_place_path(const struct kst_place *self);
const char *kst_place_volumes(const struct kst_place *self);
/* Removes a directory of our own with all that is in it. NULL is allowed. */
void kst_place_free(struct kst_place *self);

#endif
