/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server says when it refuses: metav1.Status objects with the real server's reasons,
 * codes and words. Each function returns a new one, which the caller owns.
 * https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go
 */
#ifndef KST_SANDBOX_API_STATUS_H
#define KST_SANDBOX_API_STATUS_H

#include <stdint.h>

struct kst_json;
struct kst_resource;

/* The HTTP code of a Status. */
int kst_status_code(const struct kst_json *status);
const char *kst_status_message(const struct kst_json *status);

/* Any failure; `reason` may be NULL. */
struct kst_json *kst_status_failure(int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct kst_json *kst_status_bad_request(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
struct kst_json *kst_status_not_found(const struct kst_resource *resource, const char *name);
struct kst_json *kst_status_exists(const struct kst_resource *resource, const char *name);
/* 409: what was to be done with the object cannot be, `why` (printf). */
struct kst_json *kst_status_conflict(const struct kst_resource *resource, const char *name,
                                     const char *format, ...) __attribute__((format(printf, 3, 4)));
struct kst_json *kst_status_modified(const struct kst_resource *resource, const char *name);
/* 422, from a list of causes (borrowed), which must not be empty. */
struct kst_json *kst_status_invalid(const struct kst_resource *resource, const char *name,
                                    const struct kst_json *causes);
/* 422 of an object that is no resource ("DeleteOptions" of "meta.k8s.io"). */
struct kst_json *kst_status_invalid_kind(const char *group, const char *kind,
                                         const struct kst_json *causes);
/* 403, `why` after "pods \"x\" is forbidden: ". */
struct kst_json *kst_status_forbidden(const struct kst_resource *resource, const char *name,
                                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The path or verb is none of the server's. */
struct kst_json *kst_status_no_resource(void);
struct kst_json *kst_status_no_method(void);
/* 405 of a verb that the subresource of a custom resource does not know. */
struct kst_json *kst_status_not_supported(const struct kst_resource *resource, const char *verb);
struct kst_json *kst_status_unauthorized(void);
struct kst_json *kst_status_expired(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* 500 for a resourceVersion that is no number. */
struct kst_json *kst_status_bad_version(const char *version);
/* 504 for a version that is not there yet. */
struct kst_json *kst_status_future_version(int64_t asked, int64_t have);
/* 500, with the words alone. */
struct kst_json *kst_status_internal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Success with the details of an object that was deleted. */
struct kst_json *kst_status_deleted(const struct kst_resource *resource, const char *name,
                                    const char *uid);

/* Adds one cause to a list, for kst_status_invalid(); `message` is printf. */
void kst_cause_add(struct kst_json *causes, const char *reason, const char *field,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
