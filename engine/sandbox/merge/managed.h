/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who owns which fields: metadata.managedFields, and server-side apply, as kube-apiserver 1.20
 * does them.
 *
 * Objects are expected as the server has them after defaulting, for what it adds by itself belongs
 * to the writer too. Versions of a kind are taken to have the same fields.
 */
#ifndef KST_SANDBOX_MERGE_MANAGED_H
#define KST_SANDBOX_MERGE_MANAGED_H

#include <stdbool.h>

struct kst_err;
struct kst_json;

/* A write; all of it is borrowed. */
struct kst_managed_write {
    const char *manager;     /* fieldManager, or the user agent up to its first "/" */
    const char *api_version; /* of the request, "apps/v1" */
    const char *now;         /* RFC 3339, in seconds and UTC */
    const char *group, *kind;
    const struct kst_json *schema; /* openAPIV3Schema of a custom resource; NULL: a built-in kind */
};

/* Sets metadata.managedFields of `object` as a create (live is NULL), an update or another patch
 * than an apply leaves them. The entries that the object brings count where there are any ([] and
 * [{}] reset them), else those of `live`. An object that has had none stays without, until it is
 * applied; so does one with a list that has an entry twice, as on the server. */
void kst_managed_update(const struct kst_managed_write *write, const struct kst_json *live,
                        struct kst_json *object);

/* Server-side apply of the configuration `applied` to `live` (NULL: it is created). Takes over
 * what it states, and removes what this manager stated before and nobody else owns. *out is the
 * new object, with managedFields, not yet defaulted; the caller frees it. Errors have the server's
 * message:
 *   KST_E_CONFLICT (409)  other managers own fields that would change, and `force` is not set;
 *                         each is appended to `conflicts` (which may be NULL) as {"manager",
 *                         "api_version" (absent where the manager applied the field), "field",
 *                         "message" (of the cause: "conflict with \"kubectl\" using apps/v1")}
 *   KST_E_PARSE (400)     another apiVersion than write->api_version, or managedFields in it
 *   KST_E_SERVER (500)    what does not fit the types: entries without their key or twice,
 *                         unknown fields of a custom resource */
int kst_managed_apply(const struct kst_managed_write *write, const struct kst_json *live,
                      const struct kst_json *applied, bool force, struct kst_json **out,
                      struct kst_json *conflicts, struct kst_err **err);

#endif
