/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the arguments of natives: what a blueprint gave, checked, with errors that say so. */
#ifndef KST_RUN_NATIVE_ARGS_H
#define KST_RUN_NATIVE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_binding;
struct kst_err;
struct kst_json;
struct kst_run;

/* The binding of args.binding; NULL where there is none (a bug of the library asserts). */
struct kst_binding *kst_native_binding(struct kst_run *run, const struct kst_json *args);
/* The namespace to act in: args.namespace, else the application's. KST_E_REFUSED for one that is
 * neither the application's, nor Kassette's own, nor in spec.allowedNamespaces. Borrowed. */
int kst_native_namespace(const struct kst_run *run, const struct kst_json *args, const char **ns,
                         struct kst_err **err);
/* A string that must be there; KST_E_USAGE names the function and field. Borrowed. */
int kst_native_str(const struct kst_json *args, const char *function, const char *field,
                   const char **out, struct kst_err **err);
/* A duration: text ("2s") or a number of seconds (also 0.5); `fallback_ms` where it is absent. */
int kst_native_duration(const struct kst_json *args, const char *function, const char *field,
                        int64_t fallback_ms, int64_t *ms, struct kst_err **err);
/* A list of strings as an argv ended by NULL; its strings are borrowed, the array is the caller's.
 * KST_E_USAGE where it is empty or holds something else. */
int kst_native_argv(const struct kst_json *args, const char *function, const char *field,
                    const char ***argv, struct kst_err **err);
/* Sets the running fiber's deadline to `ms` from now where ms > 0; gives back what to restore. */
int64_t kst_native_deadline(int64_t ms);

#endif
