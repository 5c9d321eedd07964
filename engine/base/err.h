/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: what fails returns a negative `enum kst_code` and, where the caller passed an address,
 * leaves a `struct kst_err` that says in plain words what happened. Callers branch on the code,
 * never on the text; context is added on the way up with kst_err_wrap(); the error is reported
 * once, at the top.
 *
 * Every function of the engine that takes `struct kst_err **err` accepts NULL there, requires
 * *err to be NULL on entry, and sets *err exactly when it returns a negative code.
 */
#ifndef KST_BASE_ERR_H
#define KST_BASE_ERR_H

#include <stdarg.h>

enum kst_code {
    KST_OK = 0,
    KST_E_FAILED = -1,      /* anything that has no better code */
    KST_E_USAGE = -2,       /* the user's command, file or field is wrong */
    KST_E_UNREACHABLE = -3, /* no answer: DNS, TCP, TLS, credentials, a slow connect */
    KST_E_REFUSED = -4,     /* policy or a conflict with somebody else's work */
    KST_E_CANCELLED = -5,   /* this fiber was cancelled */
    KST_E_TIMEOUT = -6,     /* a deadline passed */
    KST_E_NOT_FOUND = -7,
    KST_E_EXISTS = -8,     /* AlreadyExists */
    KST_E_CONFLICT = -9,   /* resourceVersion conflict (409 Conflict) */
    KST_E_FORBIDDEN = -10, /* 401 and 403 */
    KST_E_INVALID = -11,   /* 400 and 422: the server understood and rejected the object */
    KST_E_GONE = -12,      /* 410: a resourceVersion or continue token is too old */
    KST_E_LIMIT = -13,    /* a cap of ours (size, depth, count, memory, instructions) was reached */
    KST_E_PARSE = -14,    /* malformed text */
    KST_E_PROTOCOL = -15, /* a peer broke its protocol */
    KST_E_IO = -16,       /* a file or process error of this machine */
    KST_E_SERVER = -17,   /* 5xx after retries */
    KST_E_CLOSED = -18,   /* a stream or connection ended */
    KST_E_LOST = -19,     /* the lease of the run is not ours any more */
};

/* Exit codes of the program, as documented for users. */
enum kst_exit {
    KST_EXIT_OK = 0,
    KST_EXIT_FAILED = 1,
    KST_EXIT_USAGE = 2,
    KST_EXIT_UNREACHABLE = 3,
    KST_EXIT_REFUSED = 4,
    KST_EXIT_INTERRUPTED = 130,
};

struct kst_err;

/* Makes a new error in *err (if err is not NULL) and returns `code`. `format` is one sentence
 * without a final full stop: the object, what was expected, what was found. Never blocks. */
int kst_err_set(struct kst_err **err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As kst_err_set(), with a va_list. */
int kst_err_setv(struct kst_err **err, int code, const char *format, va_list args);

/* Puts "context: " before the message of *err and returns `code`, which is what the failed call
 * returned: where the caller passed no address there is no error to ask. A code of 0 (or above)
 * passes through, so `return kst_err_wrap(err, rc, …)` may end a function. */
int kst_err_wrap(struct kst_err **err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Sets the CamelCase reason (as in a Kubernetes condition) or the hint (what to do, a sentence)
 * of *err; a no-op where err or *err is NULL. The text is copied. */
void kst_err_reason(struct kst_err **err, const char *reason);
void kst_err_hint(struct kst_err **err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Borrowed views; `err` may be NULL: KST_OK, "", NULL. The reason of an error that was given none
 * is derived from its code ("NotFound", "Timeout", …); a hint may be NULL. */
int kst_err_code(const struct kst_err *err);
const char *kst_err_message(const struct kst_err *err);
const char *kst_err_get_reason(const struct kst_err *err);
const char *kst_err_get_hint(const struct kst_err *err);

/* The exit code of the program that an error code stands for. */
int kst_err_exit(int code);

/* A copy on the heap that the caller frees; NULL for NULL. */
struct kst_err *kst_err_dup(const struct kst_err *err);

/* Moves *from into *to where `to` is not NULL and *to is NULL; else frees *from. *from is NULL
 * afterwards. Returns the code. */
int kst_err_move(struct kst_err **to, struct kst_err **from);

/* Frees; NULL is allowed. kst_err_clear() also sets *err to NULL. */
void kst_err_free(struct kst_err *err);
void kst_err_clear(struct kst_err **err);

static inline void kst_err_autofree(struct kst_err **err)
{
    kst_err_free(*err);
}
#define kst_auto_err __attribute__((cleanup(kst_err_autofree)))

#endif
