/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

struct kst_err {
    int code;
    char *message;
    char *reason; /* NULL: of the code */
    char *hint;
};

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

int kst_err_setv(struct kst_err **err, int code, const char *format, va_list args)
{
    assert(code < 0);
    if (!err)
        return code;
    assert(!*err);
    struct kst_err *self = kst_calloc(1, sizeof(*self));
    self->code = code;
    self->message = format_text(format, args);
    *err = self;
    return code;
}

int kst_err_set(struct kst_err **err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    kst_err_setv(err, code, format, args);
    va_end(args);
    return code;
}

int kst_err_wrap(struct kst_err **err, int code, const char *format, ...)
{
    if (code >= 0 || !err || !*err)
        return code;
    va_list args;
    va_start(args, format);
    char *context = format_text(format, args);
    va_end(args);
    char *message = kst_asprintf("%s: %s", context, (*err)->message);
    free(context);
    free((*err)->message);
    (*err)->message = message;
    return code;
}

void kst_err_reason(struct kst_err **err, const char *reason)
{
    if (!err || !*err)
        return;
    free((*err)->reason);
    (*err)->reason = kst_strdup(reason);
}

void kst_err_hint(struct kst_err **err, const char *format, ...)
{
    if (!err || !*err)
        return;
    va_list args;
    va_start(args, format);
    char *hint = format_text(format, args);
    va_end(args);
    free((*err)->hint);
    (*err)->hint = hint;
}

int kst_err_code(const struct kst_err *err)
{
    return err ? err->code : KST_OK;
}

const char *kst_err_message(const struct kst_err *err)
{
    return err ? err->message : "";
}

static const char *reason_of(int code)
{
    static const char *const reasons[] = {
        [-KST_E_FAILED] = "Failed",           [-KST_E_USAGE] = "Invalid",
        [-KST_E_UNREACHABLE] = "Unreachable", [-KST_E_REFUSED] = "Refused",
        [-KST_E_CANCELLED] = "Cancelled",     [-KST_E_TIMEOUT] = "Timeout",
        [-KST_E_NOT_FOUND] = "NotFound",      [-KST_E_EXISTS] = "AlreadyExists",
        [-KST_E_CONFLICT] = "Conflict",       [-KST_E_FORBIDDEN] = "Forbidden",
        [-KST_E_INVALID] = "Invalid",         [-KST_E_GONE] = "Gone",
        [-KST_E_LIMIT] = "LimitExceeded",     [-KST_E_PARSE] = "ParseError",
        [-KST_E_PROTOCOL] = "ProtocolError",  [-KST_E_IO] = "IOError",
        [-KST_E_SERVER] = "ServerError",      [-KST_E_CLOSED] = "ConnectionClosed",
        [-KST_E_LOST] = "LeaseLost",
    };
    if (code >= 0 || (size_t)-code >= KST_ARRAY_LEN(reasons) || !reasons[-code])
        return "Failed";
    return reasons[-code];
}

const char *kst_err_get_reason(const struct kst_err *err)
{
    if (!err)
        return "";
    return err->reason ? err->reason : reason_of(err->code);
}

const char *kst_err_get_hint(const struct kst_err *err)
{
    return err ? err->hint : NULL;
}

int kst_err_exit(int code)
{
    switch (code) {
    case KST_OK:
        return KST_EXIT_OK;
    case KST_E_USAGE:
        return KST_EXIT_USAGE;
    case KST_E_UNREACHABLE:
        return KST_EXIT_UNREACHABLE;
    case KST_E_REFUSED:
    case KST_E_LOST:
    case KST_E_CONFLICT:
        return KST_EXIT_REFUSED;
    case KST_E_CANCELLED:
        return KST_EXIT_INTERRUPTED;
    default:
        return KST_EXIT_FAILED;
    }
}

struct kst_err *kst_err_dup(const struct kst_err *err)
{
    if (!err)
        return NULL;
    struct kst_err *copy = kst_calloc(1, sizeof(*copy));
    copy->code = err->code;
    copy->message = kst_strdup(err->message);
    copy->reason = kst_strdup(err->reason);
    copy->hint = kst_strdup(err->hint);
    return copy;
}

int kst_err_move(struct kst_err **to, struct kst_err **from)
{
    int code = *from ? (*from)->code : KST_E_FAILED;
    if (to && !*to)
        *to = *from;
    else
        kst_err_free(*from);
    *from = NULL;
    return code;
}

void kst_err_free(struct kst_err *err)
{
    if (!err)
        return;
    free(err->message);
    free(err->reason);
    free(err->hint);
    free(err);
}

void kst_err_clear(struct kst_err **err)
{
    if (!err)
        return;
    kst_err_free(*err);
    *err = NULL;
}
