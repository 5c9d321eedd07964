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
    /* Also "name.OLD.svc" in the texts of ConfigMaps, Secrets, environment variables, commands and
     * arguments, and custom resources. */
    bool service_dns;
};

/* Changes the object in place. Never fails on what it does not know: that is left as it is.
 *
 * Namespace: that of the object (or the Namespace itself), the accounts that bindings name, names
 * of Services in other Services, selectors of namespaces by name, and each member "namespace",
 * "namespaces" or "matchNames" that says the old one. A ClusterRoleBinding of accounts of the old
 * namespace becomes one of its own, "<name>-<to_ns>", where the namespace changes; the ClusterRole
 * is shared. Other cluster-scoped objects stay as they are.
 *
 * Names: OLD stands for every kind of a namespace, KIND/OLD (in any case) for one kind, also a
 * cluster-scoped one; definitions and APIServices keep theirs. What refers to the object follows,
 * in custom resources where the reference has a usual form ({kind, name}, secretName,
 * configMapRef, …). Claims made by a StatefulSet follow it: "<template>-<set>-<number>".
 *
 * Storage classes: of claims, templates of claims, volumes and quotas, and what custom resources
 * call storageClassName or storageClass. */
void kst_rewrite(const struct kst_rewrite *self, struct kst_json *object);
/* Why an object cannot come along into another namespace (there is one for the whole cluster, and
 * the living original uses it), or NULL. A static text. */
const char *kst_rewrite_skip(const struct kst_rewrite *self, const struct kst_json *object);
/* The new name of an object of the point, or its old one; the caller frees it. */
char *kst_rewrite_name(const struct kst_rewrite *self, const char *kind, const char *name);

#endif
