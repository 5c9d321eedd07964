/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects for another place: another namespace (and the references to it inside of objects), other
 * names (--rename, with the references to them), other storage classes. Pure: no cluster is asked.
 */
#ifndef KST_APP_RESTORE_REWRITE_H
#define KST_APP_RESTORE_REWRITE_H

#include <stdbool.h>

struct kst_err;
struct kst_json;

struct kst_rewrite {
    const char *from_ns, *to_ns;            /* equal where it stays */
    const struct kst_json *names;           /* {OLD: NEW}, or {KIND/OLD: NEW}; may be NULL */
    const struct kst_json *storage_classes; /* {OLD: NEW}; may be NULL */
    bool service_dns; /* also "name.OLD.svc" in the texts of ConfigMaps, env and arguments */
};

/* Changes the object in place. Cluster-scoped objects that name the old namespace (a
 * ClusterRoleBinding's subjects) become ones of their own, "<name>-<to_ns>", where the namespace
 * changes. Never fails on what it does not know: that is left as it is. */
void kst_rewrite(const struct kst_rewrite *self, struct kst_json *object);
/* Why an object cannot come along into another namespace (there is one for the whole cluster, and
 * the living original uses it), or NULL. A static text. */
const char *kst_rewrite_skip(const struct kst_rewrite *self, const struct kst_json *object);
/* The new name of an object of the point; borrowed, or `name` itself. */
const char *kst_rewrite_name(const struct kst_rewrite *self, const char *kind, const char *name);

#endif
