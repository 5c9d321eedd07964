/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas of custom resources: of {"schema","object"}. What was pruned, filled in or stored once
 * does not change when that is done again, and no rule stumbles over what it finds. The schema is
 * also that of a definition, and the object a definition itself.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/custom/crd.h"
#include "sandbox/custom/crd_internal.h"
#include "sandbox/custom/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct kst_json *a, const struct kst_json *b)
{
    if (!kst_json_equal(a, b))
        abort();
}

static void check_causes(const struct kst_json *causes)
{
    static const char *const keys[] = {"reason", "message", "field"};
    for (const struct kst_json *c = kst_json_first(causes); c; c = kst_json_next(c))
        for (size_t i = 0; i < KST_ARRAY_LEN(keys); i++)
            if (!kst_json_str(kst_json_get(c, keys[i])))
                abort();
}

static void try_object(const struct kst_json *schema, const struct kst_json *given)
{
    kst_auto_json struct kst_json *object = kst_json_dup(given), *causes = kst_json_array();
    kst_schema_prune(schema, object);
    kst_auto_json struct kst_json *pruned = kst_json_dup(object);
    kst_schema_prune(schema, pruned);
    same(object, pruned);
    kst_schema_default(schema, object);
    kst_auto_json struct kst_json *filled = kst_json_dup(object);
    kst_schema_default(schema, filled);
    same(object, filled);
    kst_schema_validate(schema, object, causes);
    kst_schema_validate_lists(schema, object, causes);
    check_causes(causes);
    kst_schema_numbers(object);
    kst_auto_json struct kst_json *stored = kst_json_dup(object);
    kst_schema_numbers(stored);
    same(object, stored);
}

static void try_definition(struct kst_json *crd)
{
    kst_auto_json struct kst_json *causes = kst_json_array();
    kst_crd_default(crd);
    kst_auto_json struct kst_json *again = kst_json_dup(crd);
    kst_crd_default(again);
    same(crd, again);
    kst_crd_validate(crd, NULL, causes);
    kst_crd_validate(crd, again, causes);
    check_causes(causes);
    const struct kst_json *all[] = {crd};
    kst_crd_settle(crd, all, 1, "2026-01-01T00:00:00Z");
    kst_crd_settle(again, all, 1, "2026-01-01T00:00:00Z");
    kst_crd_terminate(crd, "2026-01-01T00:00:00Z");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_json struct kst_json *input = NULL;
    if (kst_json_parse((const char *)data, size, &input, NULL) < 0)
        return 0;
    const struct kst_json *schema = kst_json_get(input, "schema");
    const struct kst_json *object = kst_json_get(input, "object");
    const char *pattern = kst_json_str(kst_json_get(schema, "pattern"));
    free(pattern ? kst_crd_wrong_pattern(pattern) : NULL);
    if (kst_json_type(object) == KST_JSON_OBJECT) {
        kst_auto_json struct kst_json *itself = kst_json_dup(object);
        const struct kst_json *metadata = kst_json_get(object, "metadata");
        try_object(schema, object);
        if (!metadata || kst_json_type(metadata) == KST_JSON_OBJECT)
            try_definition(itself);
    }
    kst_auto_json struct kst_json *definition = kst_json_make(
        "{'metadata':{'name':'foos.example.com'},'status':{},'spec':{'group':'example.com','scope':"
        "'Cluster','names':{'plural':'foos','kind':'Foo'},'versions':[{'name':'v1','served':true,"
        "'storage':true,'schema':{'openAPIV3Schema':%J}}]}}",
        schema);
    try_definition(definition);
    return 0;
}
