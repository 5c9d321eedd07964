/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server knows of the kinds that are built in (kube-apiserver 1.20): what it fills in,
 * and what it refuses. Pure functions on objects as clients send them; what needs other objects
 * (cluster IPs, default classes, tokens of service accounts) is not done here.
 *
 * Causes are those of a Status (metav1.StatusDetails): an array of {"reason","message","field"}.
 */
#ifndef KST_SANDBOX_BUILTIN_BUILTIN_H
#define KST_SANDBOX_BUILTIN_BUILTIN_H

#include <stdbool.h>

struct kst_json;

/* Makes of an object what the server stores and answers: the defaults of its version; zero values
 * that the server always prints (status: {}); quantities in canonical form; a Secret's stringData
 * in data; and without nulls, and the empty lists and maps that it does not keep. Unknown fields
 * stay. Done again it changes nothing. An object of another kind only loses its nulls. */
void kst_builtin_default(const char *group, const char *version, const char *kind,
                         struct kst_json *object);

/* What the server, with the admission plugins that are on by default, adds to an object that is
 * created (after the defaults): of a Pod the service account's name, priority and tolerations; the
 * finalizers of volumes and claims; a DaemonSet's generation of its template. */
void kst_builtin_admit(const char *group, const char *kind, struct kst_json *object);

/* Appends to `causes` why the server refuses an object, complete with its defaults. `old` is what
 * is there already, NULL where the object is new. Metadata, also of custom resources: */
void kst_builtin_validate_meta(const char *group, const char *kind, const struct kst_json *object,
                               const struct kst_json *old, struct kst_json *causes);
/* All but metadata, of a built-in kind. */
void kst_builtin_validate(const char *group, const char *kind, const struct kst_json *object,
                          const struct kst_json *old, struct kst_json *causes);

#endif
