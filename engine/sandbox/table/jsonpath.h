/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON paths as Kubernetes has them (k8s.io/client-go/util/jsonpath), as far as printer columns,
 * `kubectl get -o jsonpath=` of one expression and --sort-by use them:
 *   .a.b  ['a']  [0]  [-1]  [1:3]  [0:4:2]  [*]  .*  ..  [0,2]  ['a','b']  [?(@.type=="Ready")]
 * with an optional pair of braces around, and $ and @ for the object itself. A backslash makes the
 * next character part of a key: .metadata.labels.app\.kubernetes\.io/name. As on the server,
 * ['a.b'] means .a.b, and needs ['a\.b'] for a key with a dot. Of templates, neither text outside
 * of the braces nor range and end.
 */
#ifndef KST_SANDBOX_TABLE_JSONPATH_H
#define KST_SANDBOX_TABLE_JSONPATH_H

struct kst_err;
struct kst_json;

enum {
    KST_JSONPATH_BYTES = 4096,    /* of a path */
    KST_JSONPATH_RESULTS = 10000, /* of any step of it */
    KST_JSONPATH_STEPS = 100000,  /* values looked at in all */
    KST_JSONPATH_DEPTH = 8,       /* of filters and unions inside each other */
};

/* Appends copies of what the path selects in `root` to the array `results`: a key that is missing
 * selects nothing. KST_E_PARSE with the place where the path is wrong; KST_E_INVALID where it does
 * not fit the value (an index out of bounds or of something that is no array, a comparison of
 * unlike values); KST_E_LIMIT. On errors `results` is left as it was. */
int kst_jsonpath_eval(const struct kst_json *root, const char *path, struct kst_json *results,
                      struct kst_err **err);
/* Whether the path is one: 0 or KST_E_PARSE. */
int kst_jsonpath_check(const char *path, struct kst_err **err);

#endif
