/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of volumes, of their claims and classes. */
#include "sandbox/table/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"

static void access_modes(struct kst_table_row *row, const char *path)
{
    static const struct {
        const char *mode, *letters;
    } modes[] = {
        {"ReadWriteOnce", "RWO"},
        {"ReadOnlyMany", "ROX"},
        {"ReadWriteMany", "RWX"},
    };
    kst_auto_buf text = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        const struct kst_json *mode = kst_json_first(kst_json_path(row->object, path));
        while (mode && strcmp(kst_cell_text(mode, NULL), modes[i].mode) != 0)
            mode = kst_json_next(mode);
        if (mode)
            kst_buf_addf(&text, "%s%s", text.len > 0 ? "," : "", modes[i].letters);
    }
    kst_cell_buf(row, &text, "");
}

/* The annotation of old comes first. */
static void storage_class(struct kst_table_row *row)
{
    const struct kst_json *annotations = kst_json_path(row->object, "metadata.annotations");
    const char *name = kst_json_str(
        kst_json_get(annotations, "volume.beta.kubernetes.io/storage-class"));
    if (name)
        kst_cell_str(row, name);
    else
        kst_cell_text_at(row, "spec.storageClassName", "");
}

static void phase(struct kst_table_row *row)
{
    if (kst_json_path_str(row->object, "metadata.deletionTimestamp"))
        kst_cell_str(row, "Terminating");
    else
        kst_cell_text_at(row, "status.phase", "");
}

void kst_table_pv(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_quantity(row, kst_json_path(row->object, "spec.capacity.storage"));
    access_modes(row, "spec.accessModes");
    kst_cell_text_at(row, "spec.persistentVolumeReclaimPolicy", "");
    phase(row);
    const struct kst_json *claim = kst_json_path(row->object, "spec.claimRef");
    if (kst_json_type(claim) == KST_JSON_OBJECT)
        kst_cell_format(row, "%s/%s", kst_cell_text(claim, "namespace"),
                        kst_cell_text(claim, "name"));
    else
        kst_cell_str(row, "");
    storage_class(row);
    kst_cell_text_at(row, "status.reason", "");
    kst_cell_age(row);
    kst_cell_text_at(row, "spec.volumeMode", "<unset>");
}

void kst_table_pvc(struct kst_table_row *row)
{
    kst_cell_name(row);
    phase(row);
    kst_cell_text_at(row, "spec.volumeName", "");
    if (*kst_cell_text(row->object, "spec.volumeName")) {
        kst_cell_quantity(row, kst_json_path(row->object, "status.capacity.storage"));
        access_modes(row, "status.accessModes");
    } else {
        kst_cell_str(row, "");
        kst_cell_str(row, "");
    }
    storage_class(row);
    kst_cell_age(row);
    kst_cell_text_at(row, "spec.volumeMode", "<unset>");
}

static bool is_default_class(const struct kst_json *object)
{
    const struct kst_json *annotations = kst_json_path(object, "metadata.annotations");
    const char *now = kst_cell_text(
        kst_json_get(annotations, "storageclass.kubernetes.io/is-default-class"), NULL);
    const char *beta = kst_cell_text(
        kst_json_get(annotations, "storageclass.beta.kubernetes.io/is-default-class"), NULL);
    return strcmp(now, "true") == 0 || strcmp(beta, "true") == 0;
}

void kst_table_storageclass(struct kst_table_row *row)
{
    kst_cell_format(row, "%s%s", kst_cell_text(row->object, "metadata.name"),
                    is_default_class(row->object) ? " (default)" : "");
    kst_cell_text_at(row, "provisioner", "");
    kst_cell_text_at(row, "reclaimPolicy", "Delete");
    kst_cell_text_at(row, "volumeBindingMode", "Immediate");
    kst_cell_bool(row, kst_json_path_true(row->object, "allowVolumeExpansion"));
    kst_cell_age(row);
}

void kst_table_volumeattachment(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_text_at(row, "spec.attacher", "");
    kst_cell_text_at(row, "spec.source.persistentVolumeName", "");
    kst_cell_text_at(row, "spec.nodeName", "");
    kst_cell_bool(row, kst_json_path_true(row->object, "status.attached"));
    kst_cell_age(row);
}

void kst_table_csidriver(struct kst_table_row *row)
{
    const struct kst_json *attach = kst_json_path(row->object, "spec.attachRequired");
    kst_cell_name(row);
    kst_cell_bool(row, kst_json_type(attach) != KST_JSON_BOOL || kst_json_true(attach));
    kst_cell_bool(row, kst_json_path_true(row->object, "spec.podInfoOnMount"));
    kst_auto_buf modes = KST_BUF_INIT(KST_TABLE_CELL_BYTES);
    kst_cell_join(&modes, kst_json_path(row->object, "spec.volumeLifecycleModes"), ",");
    kst_cell_buf(row, &modes, "<none>");
    kst_cell_age(row);
}

void kst_table_csinode(struct kst_table_row *row)
{
    kst_cell_name(row);
    kst_cell_int(row, (int64_t)kst_json_len(kst_json_path(row->object, "spec.drivers")));
    kst_cell_age(row);
}
