/* SPDX-License-Identifier: Apache-2.0 */
/* ControllerRevisions: the templates that StatefulSets and DaemonSets have had, for rollbacks. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

#define REVISIONS "apps/controllerrevisions"

static const char manager[] = "kube-controller-manager";

static int64_t number_of(const struct kst_object *revision)
{
    return kst_json_path_int(revision->json, "revision", 0);
}

/* Those of the owner, the oldest first. */
static int compare_numbers(const void *left, const void *right)
{
    int64_t a = number_of(*(struct kst_object *const *)left);
    int64_t b = number_of(*(struct kst_object *const *)right);
    return (a > b) - (a < b);
}

static struct kst_control_list find(struct kst_api *api, const struct kst_object *owner)
{
    struct kst_control_list list = kst_control_list(api, REVISIONS, owner->ns);
    size_t kept = 0;
    for (size_t i = 0; i < list.count; i++) {
        if (kst_control_owns(owner, list.objects[i]))
            list.objects[kept++] = list.objects[i];
        else
            kst_object_unref(list.objects[i]);
    }
    list.count = kept;
    qsort(list.objects, kept, sizeof(list.objects[0]), compare_numbers);
    return list;
}

/* Whether a Pod was made of it: its label is the revision's name, or the end of it. */
static bool is_used(struct kst_api *api, const struct kst_object *owner,
                    const struct kst_object *revision)
{
    struct kst_control_list pods = kst_control_list(api, "/pods", owner->ns);
    bool used = false;
    for (size_t i = 0; i < pods.count && !used; i++) {
        const struct kst_json *labels = kst_json_path(pods.objects[i]->json, "metadata.labels");
        const char *label = kst_json_str(kst_json_get(labels, KST_CONTROL_REVISION));
        used = label && kst_control_owns(owner, pods.objects[i]) &&
               (strcmp(label, revision->name) == 0 ||
                strcmp(label, revision->name + strlen(owner->name) + 1) == 0);
    }
    kst_control_list_release(&pods);
    return used;
}

/* Deletes the oldest of those that nothing uses, beyond the history's limit. */
static void trim(struct kst_api *api, const struct kst_object *owner,
                 const struct kst_control_list *list, const char *current)
{
    int64_t limit = kst_json_path_int(owner->json, "spec.revisionHistoryLimit", 10), unused = 0;
    const char *serving = kst_api_text(owner->json, "status.currentRevision");
    bool *free_to_go = kst_calloc(list->count + 1, sizeof(*free_to_go));
    if ((int64_t)list->count > limit) /* else there is nothing to look for */
        for (size_t i = 0; i < list->count; i++) {
            const char *name = list->objects[i]->name;
            free_to_go[i] = strcmp(name, current) != 0 && strcmp(name, serving) != 0 &&
                            !is_used(api, owner, list->objects[i]);
            unused += free_to_go[i];
        }
    for (size_t i = 0; i < list->count && unused > limit; i++)
        if (free_to_go[i]) {
            kst_control_delete(api, REVISIONS, list->objects[i]);
            unused--;
        }
    free(free_to_go);
}

static void create(struct kst_api *api, const struct kst_object *owner, const char *name,
                   const char *label, const char *hash, int64_t number)
{
    kst_auto_json struct kst_json *reference = kst_control_owner(
        "apps/v1", kst_api_text(owner->json, "kind"), owner);
    const struct kst_json *template = kst_json_path(owner->json, "spec.template");
    const struct kst_json *labels = kst_json_path(template, "metadata.labels");
    const struct kst_json *annotations = kst_json_path(owner->json, "metadata.annotations");
    struct kst_json *revision = kst_json_make(
        "{'apiVersion':'apps/v1','kind':'ControllerRevision','metadata':{'name':%s,'namespace':%s,"
        "'labels':{},'ownerReferences':[%J]},'data':{'spec':{'template':%J}},'revision':%L}",
        name, owner->ns, reference, template, number);
    struct kst_json *metadata = kst_json_mut(revision, "metadata");
    if (labels)
        kst_json_set(metadata, "labels", kst_json_dup(labels));
    kst_json_set_str(kst_json_ensure_object(metadata, "labels"), label, hash);
    if (kst_json_len(annotations) > 0)
        kst_json_set(metadata, "annotations", kst_json_dup(annotations));
    kst_json_set_str(kst_json_mut(kst_json_mut(kst_json_mut(revision, "data"), "spec"), "template"),
                     "$patch", "replace");
    kst_control_create(api, REVISIONS, owner->ns, manager, revision);
}

char *kst_control_revision(struct kst_api *api, const struct kst_object *owner, const char *label)
{
    kst_auto_free char *hash = kst_control_hash(kst_json_path(owner->json, "spec.template"), 0);
    char *name = kst_asprintf("%s-%s", owner->name, hash);
    struct kst_control_list list = find(api, owner);
    const struct kst_object *found = NULL;
    int64_t latest = list.count ? number_of(list.objects[list.count - 1]) : 0;
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.objects[i]->name, name) == 0)
            found = list.objects[i];
    if (!found) {
        create(api, owner, name, label, hash, latest + 1);
    } else if (number_of(found) < latest) { /* back to an older one, which is the latest now */
        struct kst_json *changed = kst_json_dup(found->json);
        kst_json_set_int(changed, "revision", latest + 1);
        kst_control_update(api, REVISIONS, found, manager, changed);
    }
    trim(api, owner, &list, name);
    kst_control_list_release(&list);
    return name;
}
