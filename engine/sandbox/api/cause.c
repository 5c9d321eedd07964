/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api/cause.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/status.h"
#include "sandbox/types/gotext.h"

enum { TEXT_BYTES = 1024 * 1024 };

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

char *kst_cause_form(enum kst_text_form form, const char *text)
{
    kst_auto_json struct kst_json *wrong = kst_text_wrong(form, text);
    kst_auto_buf all = KST_BUF_INIT(TEXT_BYTES);
    for (const struct kst_json *w = kst_json_first(wrong); w; w = kst_json_next(w))
        kst_buf_addf(&all, "%s%s", all.len ? "," : "", kst_json_str(w));
    return kst_json_len(wrong) > 0 ? kst_buf_take(&all) : NULL;
}
