/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/cause.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/gotext.h"
#include "sandbox/status.h"

enum { TEXT_BYTES = 1024 * 1024, LABEL_BYTES = 63, SUBDOMAIN_BYTES = 253 };

static void add(struct kst_json *causes, const char *reason, const char *path, const char *child,
                const char *text, const char *detail)
{
    kst_auto_free char *field = kst_asprintf("%s%s%s", path, child && *path ? "." : "",
                                             child ? child : "");
    kst_cause_add(causes, reason, field, "%s%s%s", text, *detail ? ": " : "", detail);
}

void kst_cause_required(struct kst_json *causes, const char *path, const char *child,
                        const char *detail)
{
    add(causes, "FieldValueRequired", path, child, "Required value", detail);
}

void kst_cause_forbidden(struct kst_json *causes, const char *path, const char *child,
                         const char *detail)
{
    add(causes, "FieldValueForbidden", path, child, "Forbidden", detail);
}

void kst_cause_invalid_value(struct kst_json *causes, const char *path, const char *child,
                             const char *shown, const char *detail)
{
    kst_auto_free char *text = kst_asprintf("Invalid value: %s", shown);
    add(causes, "FieldValueInvalid", path, child, text, detail);
}

void kst_cause_invalid(struct kst_json *causes, const char *path, const char *child,
                       const char *value, const char *detail)
{
    kst_auto_buf shown = KST_BUF_INIT(TEXT_BYTES);
    kst_go_quote(&shown, value);
    kst_cause_invalid_value(causes, path, child, shown.data, detail);
}

void kst_cause_not_supported(struct kst_json *causes, const char *path, const char *child,
                             const char *value, const char *const *allowed, size_t count)
{
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES), detail = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_adds(&text, "Unsupported value: ");
    kst_go_quote(&text, value);
    kst_buf_adds(&detail, "supported values: ");
    for (size_t i = 0; i < count; i++) {
        kst_buf_adds(&detail, i > 0 ? ", " : "");
        kst_go_quote(&detail, allowed[i]);
    }
    add(causes, "FieldValueNotSupported", path, child, text.data, detail.data);
}

/* ---- names ---- */

/* The length of the label at the beginning; 0 where none is. */
static size_t label_of(const char *text, const char *first)
{
    static const char inner[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t len = strspn(text, inner);
    return len > 0 && strchr(first, *text) && text[len - 1] != '-' ? len : 0;
}

static char *why_not(bool fits, size_t len, size_t limit, const char *rule)
{
    kst_auto_free char *length = kst_asprintf("must be no more than %zu characters", limit);
    if (len > limit)
        return fits ? kst_take(length) : kst_asprintf("%s,%s", length, rule);
    return fits ? NULL : kst_strdup(rule);
}

char *kst_cause_dns1035_label(const char *text)
{
    size_t len = strlen(text);
    bool fits = len > 0 && label_of(text, "abcdefghijklmnopqrstuvwxyz") == len;
    return why_not(fits, len, LABEL_BYTES,
                   "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                   "start with an alphabetic character, and end with an alphanumeric character "
                   "(e.g. 'my-name',  or 'abc-123', regex used for validation is "
                   "'[a-z]([-a-z0-9]*[a-z0-9])?')");
}

char *kst_cause_dns1123_subdomain(const char *text)
{
    bool fits = true;
    const char *at = text;
    for (bool more = true; more && fits;) {
        size_t len = label_of(at, "abcdefghijklmnopqrstuvwxyz0123456789");
        fits = len > 0 && (at[len] == '\0' || at[len] == '.');
        more = fits && at[len] == '.';
        at += len + 1;
    }
    return why_not(fits, strlen(text), SUBDOMAIN_BYTES,
                   "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                   "characters, '-' or '.', and must start and end with an alphanumeric character "
                   "(e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
}
