/* SPDX-License-Identifier: Apache-2.0 */
/* What is true of the metadata of every object (k8s.io/apimachinery/pkg/api/validation). */
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/builtin/builtin.h"
#include "sandbox/builtin/validate.h"

enum { MAX_ANNOTATION_BYTES = 256 * 1024, MAX_CRONJOB_NAME = 52, MAX_MANAGER = 128 };

/* Kinds whose names are something else than a subdomain. */
static enum kst_text_form name_form(const char *group, const char *kind)
{
    if (!*group && strcmp(kind, "Service") == 0)
        return KST_TEXT_DNS1035;
    if (!*group && strcmp(kind, "Namespace") == 0)
        return KST_TEXT_LABEL;
    if ((strcmp(group, "rbac.authorization.k8s.io") == 0) || strcmp(kind, "Event") == 0)
        return KST_TEXT_PATH_SEGMENT;
    return KST_TEXT_SUBDOMAIN;
}

static void check_generate_name(const struct kst_place *meta, enum kst_text_form form,
                                const char *prefix)
{
    /* Something follows a hyphen at the end. */
    kst_auto_free char *name = kst_strdup(prefix);
    size_t len = strlen(name);
    if (form != KST_TEXT_PATH_SEGMENT && len > 1 && name[len - 1] == '-') {
        name[len - 2] = 'a';
        name[len - 1] = '\0';
    }
    kst_auto_json struct kst_json *messages = kst_text_wrong(form, name);
    for (const struct kst_json *m = kst_json_first(messages); m; m = kst_json_next(m))
        kst_say_invalid_text(meta, "generateName", prefix, kst_json_str(m));
}

static void check_annotations(const struct kst_place *meta, const struct kst_json *annotations)
{
    size_t size = 0;
    for (const struct kst_json *a = kst_json_first(kst_map(annotations)); a; a = kst_json_next(a)) {
        kst_auto_free char *lower = kst_strdup(kst_json_key(a));
        for (char *c = lower; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        kst_auto_json struct kst_json *messages = kst_text_wrong(KST_TEXT_QUALIFIED, lower);
        for (const struct kst_json *m = kst_json_first(messages); m; m = kst_json_next(m))
            kst_say_invalid_text(meta, "annotations", kst_json_key(a), kst_json_str(m));
        size += strlen(lower) + (kst_json_str(a) ? strlen(kst_json_str(a)) : 0);
    }
    if (size > MAX_ANNOTATION_BYTES)
        kst_say_too_long(meta, "annotations", MAX_ANNOTATION_BYTES);
}

/* v1.OwnerReference{...} as Go prints it, but for the addresses of its booleans; the caller frees
 * it. */
static char *shown_owner(const struct kst_json *owner)
{
    kst_auto_free char *version = kst_shown_text(kst_read_text(owner, "apiVersion"));
    kst_auto_free char *kind = kst_shown_text(kst_read_text(owner, "kind"));
    kst_auto_free char *name = kst_shown_text(kst_read_text(owner, "name"));
    kst_auto_free char *uid = kst_shown_text(kst_read_text(owner, "uid"));
    return kst_asprintf("v1.OwnerReference{APIVersion:%s, Kind:%s, Name:%s, UID:%s, "
                        "Controller:(*bool)(%s), BlockOwnerDeletion:(*bool)(%s)}",
                        version, kind, name, uid,
                        kst_has(owner, "controller") ? "0xc000000000" : "nil",
                        kst_has(owner, "blockOwnerDeletion") ? "0xc000000000" : "nil");
}

static char *shown_owners(const struct kst_json *list)
{
    char *out = kst_strdup("[]v1.OwnerReference{");
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o)) {
        kst_auto_free char *before = out, *one = shown_owner(o);
        out = kst_asprintf("%s%s%s", before, o == kst_json_first(list) ? "" : ", ", one);
    }
    kst_auto_free char *before = out;
    return kst_asprintf("%s}", before);
}

static void check_owner(const struct kst_place *owners, const struct kst_json *owner)
{
    if (strcmp(kst_read_text(owner, "apiVersion"), "v1") == 0 &&
        strcmp(kst_read_text(owner, "kind"), "Event") == 0) {
        kst_auto_free char *one = shown_owner(owner);
        kst_say_invalid(owners, "", one, "/v1, Kind=Event is disallowed from being an owner");
    }
    static const struct {
        const char *field, *message;
    } needed[] = {{"kind", "kind must not be empty"},
                  {"name", "name must not be empty"},
                  {"uid", "uid must not be empty"}};
    const char *version = kst_read_text(owner, "apiVersion"), *slash = strchr(version, '/');
    if (!*(slash ? slash + 1 : version))
        kst_say_invalid_text(owners, "apiVersion", version, "version must not be empty");
    for (size_t i = 0; i < KST_ARRAY_LEN(needed); i++)
        if (!*kst_read_text(owner, needed[i].field))
            kst_say_invalid_text(owners, needed[i].field, "", needed[i].message);
}

static void check_owners(const struct kst_place *meta, const struct kst_json *list)
{
    struct kst_place owners = kst_place_field(meta, "ownerReferences");
    const char *controller = NULL;
    for (const struct kst_json *o = kst_json_first(list); o; o = kst_json_next(o)) {
        check_owner(&owners, o);
        if (!kst_read_true(o, "controller"))
            continue;
        if (!controller) {
            controller = kst_read_text(o, "name");
            continue;
        }
        kst_auto_free char *shown = shown_owners(list);
        kst_say_invalid(&owners, "", shown,
                        "Only one reference can have Controller set to true. Found \"true\" in "
                        "references for %s and %s",
                        controller, kst_read_text(o, "name"));
    }
}

/* Kubernetes' own finalizers have names without a domain. */
static void check_kube_finalizers(const struct kst_place *meta, const struct kst_json *list)
{
    struct kst_place place = kst_place_field(meta, "finalizers");
    const struct kst_json *f = kst_json_first(list);
    for (int i = 0; f; f = kst_json_next(f), i++) {
        const char *text = kst_json_str(f) ? kst_json_str(f) : "";
        struct kst_place at = kst_place_index(&place, i);
        if (!strchr(text, '/') && !kst_is_one_of(text, "kubernetes orphan foregroundDeletion"))
            kst_say_invalid_text(
                &at, "", text,
                "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void check_finalizers(const struct kst_place *meta, const struct kst_json *list, bool kube)
{
    struct kst_place place = kst_place_field(meta, "finalizers");
    bool orphan = false, foreground = false;
    const struct kst_json *f;
    for (f = kst_json_first(list); f; f = kst_json_next(f)) {
        const char *text = kst_json_str(f) ? kst_json_str(f) : "";
        kst_check_text(&place, "", KST_TEXT_QUALIFIED, text);
        orphan = orphan || strcmp(text, "orphan") == 0;
        foreground = foreground || strcmp(text, "foregroundDeletion") == 0;
    }
    if (orphan && foreground) {
        kst_auto_free char *shown = kst_shown_texts(list);
        kst_say_invalid(&place, "", shown,
                        "finalizer orphan and foregroundDeletion cannot be both set");
    }
    if (kube)
        check_kube_finalizers(meta, list);
}

static void check_managers(const struct kst_place *meta, const struct kst_json *list)
{
    for (const struct kst_json *m = kst_json_first(list); m; m = kst_json_next(m))
        if (strlen(kst_read_text(m, "manager")) > MAX_MANAGER)
            kst_say_too_long(meta, "fieldManager", MAX_MANAGER);
}

/* What holds for new and for changed metadata. */
static void check_common(const struct kst_place *meta, const struct kst_json *metadata)
{
    struct kst_place labels = kst_place_field(meta, "labels");
    kst_check_labels(&labels, kst_json_get(metadata, "labels"));
    check_annotations(meta, kst_json_get(metadata, "annotations"));
    check_owners(meta, kst_json_get(metadata, "ownerReferences"));
}

void kst_validate_template_meta(const struct kst_place *meta, const struct kst_json *metadata)
{
    struct kst_place labels = kst_place_field(meta, "labels");
    kst_check_labels(&labels, kst_json_get(metadata, "labels"));
    check_annotations(meta, kst_json_get(metadata, "annotations"));
}

static void check_new(const struct kst_place *meta, const char *group, const char *kind,
                      const struct kst_json *metadata, bool kube)
{
    enum kst_text_form form = name_form(group, kind);
    const char *prefix = kst_read_text(metadata, "generateName");
    const char *name = kst_read_text(metadata, "name");
    if (*prefix)
        check_generate_name(meta, form, prefix);
    if (*name)
        kst_check_text(meta, "name", form, name);
    else
        kst_say_required(meta, "name", "name or generateName is required");
    check_managers(meta, kst_json_get(metadata, "managedFields"));
    check_common(meta, metadata);
    check_finalizers(meta, kst_json_get(metadata, "finalizers"), kube);
    if (strcmp(kind, "CronJob") == 0 && strlen(name) > MAX_CRONJOB_NAME)
        kst_say_invalid_text(meta, "name", name, "must be no more than 52 characters");
}

static void check_no_new_finalizers(const struct kst_place *meta, const struct kst_json *metadata,
                                    const struct kst_json *old)
{
    kst_auto_json struct kst_json *extra = kst_json_array();
    const struct kst_json *f = kst_json_first(kst_json_get(metadata, "finalizers"));
    for (; f; f = kst_json_next(f)) {
        const struct kst_json *o = kst_json_first(kst_json_get(old, "finalizers"));
        while (o && !kst_json_equal(o, f))
            o = kst_json_next(o);
        if (!o)
            kst_json_push(extra, kst_json_dup(f));
    }
    if (kst_json_len(extra) == 0)
        return;
    kst_auto_free char *shown = kst_shown_texts(extra);
    kst_say_forbidden(meta, "finalizers",
                      "no new finalizers can be added if the object is being deleted, found new "
                      "finalizers %s",
                      shown);
}

static void check_changed(const struct kst_place *meta, const struct kst_json *metadata,
                          const struct kst_json *old)
{
    static const char *const fixed[] = {"name", "namespace", "uid", "clusterName"};
    if (kst_has(old, "deletionTimestamp"))
        check_no_new_finalizers(meta, metadata, old);
    check_managers(meta, kst_json_get(metadata, "managedFields"));
    for (size_t i = 0; i < KST_ARRAY_LEN(fixed); i++) {
        kst_auto_free char *shown = kst_shown_text(kst_read_text(metadata, fixed[i]));
        kst_check_immutable(meta, fixed[i], kst_json_get(metadata, fixed[i]),
                            kst_json_get(old, fixed[i]), shown);
    }
    check_common(meta, metadata);
}

void kst_builtin_validate_meta(const char *group, const char *kind, const struct kst_json *object,
                               const struct kst_json *old, struct kst_json *causes)
{
    struct kst_place top = kst_place_top(causes), meta = kst_place_field(&top, "metadata");
    const struct kst_json *metadata = kst_json_get(object, "metadata");
    /* The groups whose kinds are validated beside those of the core. */
    bool kube = !*group || kst_is_one_of(group, "apps batch policy autoscaling");
    if (!old) {
        check_new(&meta, group, kind, metadata, kube);
        return;
    }
    /* Once for all kinds, and once more by the kind itself: causes are listed twice. */
    check_changed(&meta, metadata, kst_json_get(old, "metadata"));
    check_changed(&meta, metadata, kst_json_get(old, "metadata"));
    if (kube)
        check_kube_finalizers(&meta, kst_json_get(metadata, "finalizers"));
}
