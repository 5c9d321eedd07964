/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches of all kinds, and what managers own: of {"object","patch","schema"}. What comes out is
 * JSON that can be read again; what is written again without a change changes no owner, and what
 * is applied again changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_patch.h"
#include "base/mem.h"
#include "sandbox/merge/managed.h"
#include "sandbox/merge/strategic.h"

enum { TEXT_BYTES = 64 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(int rc, const struct kst_json *out, const struct kst_err *err)
{
    if ((rc < 0) != (err != NULL) || (rc < 0) != (out == NULL) || rc != kst_err_code(err))
        abort();
    if (rc < 0)
        return;
    kst_auto_buf text = KST_BUF_INIT(TEXT_BYTES);
    kst_auto_json struct kst_json *again = NULL;
    if (kst_json_print(out, KST_JSON_COMPACT, &text) < 0 ||
        kst_json_parse(text.data, text.len, &again, NULL) < 0 || !kst_json_equal(out, again))
        abort();
}

static void patches(const struct kst_json *object, const struct kst_json *patch)
{
    static const char *const kinds[] = {"Pod", "Service", "ConfigMap", "Node", "None"};
    kst_auto_json struct kst_json *json = NULL, *merged = kst_json_patch_merge(object, patch);
    kst_auto_err struct kst_err *err = NULL;
    check_result(0, merged, NULL);
    int rc = kst_json_patch_apply(object, patch, &json, &err);
    check_result(rc, json, err);
    for (size_t i = 0; i < KST_ARRAY_LEN(kinds); i++) {
        kst_auto_json struct kst_json *out = NULL;
        kst_auto_err struct kst_err *why = NULL;
        rc = kst_patch_strategic("", kinds[i], object, patch, &out, &why);
        check_result(rc, out, why);
    }
}

static void owners(struct kst_managed_write write, const struct kst_json *object,
                   const struct kst_json *patch)
{
    write.manager = "one";
    kst_auto_json struct kst_json *live = kst_json_dup(object), *out = NULL, *again = NULL;
    kst_managed_update(&write, NULL, live);
    kst_auto_json struct kst_json *same = kst_json_dup(live);
    kst_managed_update(&write, live, same);
    const struct kst_json *before = kst_json_path(live, "metadata.managedFields");
    const struct kst_json *after = kst_json_path(same, "metadata.managedFields");
    if (before && !kst_json_equal(before, after))
        abort();

    write.manager = "two";
    kst_auto_json struct kst_json *applied = kst_json_patch_merge(NULL, patch);
    if (kst_json_type(applied) != KST_JSON_OBJECT)
        return;
    kst_json_set_str(applied, "apiVersion", "v1");
    kst_auto_err struct kst_err *err = NULL, *second = NULL;
    int rc = kst_managed_apply(&write, live, applied, true, &out, NULL, &err);
    check_result(rc, out, err);
    if (rc < 0)
        return;
    write.now = "2026-01-01T00:00:01Z";
    rc = kst_managed_apply(&write, out, applied, true, &again, NULL, &second);
    check_result(rc, again, second);
    /* Owners may change: who owned a whole object owns what is in it from the next write on. */
    kst_json_remove(kst_json_mut(out, "metadata"), "managedFields");
    kst_json_remove(kst_json_mut(again, "metadata"), "managedFields");
    if (rc < 0 || !kst_json_equal(out, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_json struct kst_json *input = NULL;
    if (kst_json_parse((const char *)data, size, &input, NULL) < 0)
        return 0;
    const struct kst_json *object = kst_json_get(input, "object");
    const struct kst_json *patch = kst_json_get(input, "patch");
    const struct kst_json *schema = kst_json_get(input, "schema");
    if (kst_json_type(object) != KST_JSON_OBJECT || !patch)
        return 0;
    patches(object, patch);
    struct kst_managed_write write = {.api_version = "v1",
                                      .now = "2026-01-01T00:00:00Z",
                                      .group = "",
                                      .kind = "Pod",
                                      .schema = schema};
    const struct kst_json *metadata = kst_json_get(object, "metadata");
    if (!metadata || kst_json_type(metadata) == KST_JSON_OBJECT)
        owners(write, object, patch);
    return 0;
}
