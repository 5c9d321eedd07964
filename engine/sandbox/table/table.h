/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server answers to Accept: application/json;as=Table;v=v1;g=meta.k8s.io: the columns
 * and cells that `kubectl get` prints. As kube-apiserver 1.20 makes them for the kinds that
 * applications use; built-in kinds without a printer of their own get NAME and CREATED AT, custom
 * resources without printer columns NAME and AGE.
 */
#ifndef KST_SANDBOX_TABLE_TABLE_H
#define KST_SANDBOX_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_json;

struct kst_table_request {
    const char *group, *kind; /* "" for the legacy group; the kind of the objects, not of a list */
    /* Of a custom resource: additionalPrinterColumns of the version that is served ("jsonPath", or
     * "JSONPath" as in v1beta1), NULL where it has none. */
    const struct kst_json *printer_columns;
    bool custom;
    const char *version;        /* of the Table: "v1" (also NULL) or "v1beta1" */
    const char *include_object; /* "Metadata" (also NULL and ""), "Object" or "None" */
    bool no_headers;            /* columnDefinitions is null: a watch's events after the first */
    int64_t now_ms;             /* wall time that ages are counted to */
};

/* The Table, which the caller frees. `list_metadata` is the metadata of the list (resourceVersion,
 * continue, remainingItemCount), NULL for one object, whose resourceVersion is taken. The objects
 * are borrowed, and copied as far as they are included; they carry kind and apiVersion. */
struct kst_json *kst_table_make(const struct kst_table_request *request,
                                const struct kst_json *list_metadata,
                                const struct kst_json *const *objects, size_t count);

enum { KST_TABLE_AGE = 32 };

/* A duration as kubectl prints ages ("5d", "3h4m", "<invalid>" where it is less than -1 s); `out`
 * holds KST_TABLE_AGE bytes. */
void kst_table_duration(int64_t ms, char *out);

#endif
