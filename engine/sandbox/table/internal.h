/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the table module share. */
#ifndef KST_SANDBOX_TABLE_INTERNAL_H
#define KST_SANDBOX_TABLE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/table/table.h"

struct kst_buf;

struct kst_table_column {
    const char *name, *type, *format, *description;
    int priority;
};

struct kst_table_row {
    const struct kst_json *object;
    int64_t now_ms;
    struct kst_json *cells;      /* the array that a printer fills */
    struct kst_json *conditions; /* of the row; NULL for none */
};

/* Appends the cells of one object, as many as its kind has columns. The object is as somebody
 * stored it: whatever is absent or of another type counts as the zero value. */
typedef void kst_table_printer(struct kst_table_row *row);

struct kst_table_kind {
    const char *group, *kind;
    const struct kst_table_column *columns;
    size_t count;
    kst_table_printer *print;
};

/* NULL where the kind has no printer of its own. */
const struct kst_table_kind *kst_table_kind_find(const char *group, const char *kind);
/* The descriptions of metadata.name and metadata.creationTimestamp, which many columns have. */
extern const char kst_table_about_name[], kst_table_about_age[];

/* ---- Cells (cell.c) ---- */

enum { KST_TABLE_CELL_BYTES = 64 * 1024 };

void kst_cell_str(struct kst_table_row *row, const char *text); /* NULL counts as "" */
void kst_cell_format(struct kst_table_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void kst_cell_int(struct kst_table_row *row, int64_t value);
void kst_cell_bool(struct kst_table_row *row, bool value);
void kst_cell_buf(struct kst_table_row *row, const struct kst_buf *text, const char *empty);
/* Of the object at a path: the text, or `empty` where there is none or an empty one. */
void kst_cell_text_at(struct kst_table_row *row, const char *path, const char *empty);
void kst_cell_int_at(struct kst_table_row *row, const char *path);
void kst_cell_name(struct kst_table_row *row);
/* The age of the object; of the time at a path, or `empty`. */
void kst_cell_age(struct kst_table_row *row);
void kst_cell_age_at(struct kst_table_row *row, const char *path, const char *empty);
/* "a=b,c=d" in the order of the keys, or "<none>". */
void kst_cell_labels_at(struct kst_table_row *row, const char *path);
/* A LabelSelector as metav1.FormatLabelSelector() has it: "<none>" where it is empty. */
void kst_cell_selector_at(struct kst_table_row *row, const char *path);
/* NAMES and IMAGES of the containers of the pod spec at a path. */
void kst_cell_containers_at(struct kst_table_row *row, const char *path);
/* The canonical quantity, "0" where there is none. */
void kst_cell_quantity(struct kst_table_row *row, const struct kst_json *value);

/* The text at a path, or of the value itself where that is NULL; "" for what is none. */
const char *kst_cell_text(const struct kst_json *value, const char *path);
/* The age of a time's text into `out`, of KST_TABLE_AGE bytes; "<unknown>" for NULL. */
void kst_cell_age_of(const struct kst_table_row *row, const char *time, char *out);
/* Appends "a,b" from texts in an array. */
void kst_cell_join(struct kst_buf *out, const struct kst_json *texts, const char *separator);
/* The keys of an object in the order of their bytes; the caller frees the array, not the keys. */
const char **kst_cell_sorted_keys(const struct kst_json *object, size_t *count);

/* ---- Printers ---- */

kst_table_printer kst_table_pod;                                 /* pod.c */
kst_table_printer kst_table_daemonset, kst_table_deployment,     /* workload.c */
    kst_table_replicas, kst_table_statefulset, kst_table_job,    /* */
    kst_table_cronjob, kst_table_controllerrevision,             /* */
    kst_table_podtemplate, kst_table_pdb, kst_table_hpa;         /* */
kst_table_printer kst_table_service, kst_table_endpoints,        /* network.c */
    kst_table_endpointslice, kst_table_ingress,                  /* */
    kst_table_ingressclass, kst_table_networkpolicy;             /* */
kst_table_printer kst_table_pv, kst_table_pvc,                   /* storage.c */
    kst_table_storageclass, kst_table_volumeattachment,          /* */
    kst_table_csidriver, kst_table_csinode;                      /* */
kst_table_printer kst_table_namespace, kst_table_node,           /* core.c */
    kst_table_event, kst_table_configmap, kst_table_secret,      /* */
    kst_table_serviceaccount, kst_table_resourcequota,           /* */
    kst_table_binding, kst_table_lease, kst_table_priorityclass, /* */
    kst_table_runtimeclass, kst_table_webhooks;                  /* */

#endif
