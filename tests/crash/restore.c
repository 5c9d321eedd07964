/* SPDX-License-Identifier: Apache-2.0 */
/* What restores begin with: a restore point, and an application that has changed since. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"

enum { GONE_MS = 15 * 1000, LOOK_MS = 5 };

#define SNAPSHOTS "snapshot.storage.k8s.io/volumesnapshots"
#define CONTENTS  "snapshot.storage.k8s.io/volumesnapshotcontents"

/* What an application consists of here. */
static const char *const facts[] = {"/configmaps",
                                    "/secrets",
                                    "/services",
                                    "/serviceaccounts",
                                    "rbac.authorization.k8s.io/roles",
                                    "rbac.authorization.k8s.io/rolebindings",
                                    "apps/statefulsets",
                                    "/persistentvolumeclaims"};

char *world_volume(const struct world *self, const char *ns, const char *claim_name)
{
    const struct kst_object *claim = kst_api_find(self->api, "/persistentvolumeclaims", ns,
                                                  claim_name);
    const struct kst_object *volume = claim ? kst_api_find(self->api, "/persistentvolumes", "",
                                                           kst_api_text(claim->json,
                                                                        "spec.volumeName"))
                                            : NULL;
    const char *path = volume ? kst_json_path_str(volume->json, "spec.hostPath.path") : NULL;
    return kst_strdup(path);
}

/* ---- what is compared ---- */

static void remove_keys(struct kst_json *from, const char *const *keys, size_t count)
{
    for (size_t i = 0; from && i < count; i++)
        kst_json_remove(from, keys[i]);
}

/* What the binding of a claim, and kubectl, have noted. */
static void remove_notes(struct kst_json *metadata)
{
    struct kst_json *notes = kst_json_mut(metadata, "annotations");
    if (!notes)
        return;
    kst_auto_json struct kst_json *all = kst_json_dup(notes);
    for (const struct kst_json *e = kst_json_first(all); e; e = kst_json_next(e)) {
        const char *key = kst_json_key(e);
        if (strncmp(key, "pv.kubernetes.io/", 17) == 0 || strncmp(key, "volume.", 7) == 0 ||
            strncmp(key, "kubectl.", 8) == 0)
            kst_json_remove(notes, key);
    }
    if (kst_json_len(notes) == 0)
        kst_json_remove(metadata, "annotations");
}

/* The object without what the cluster chose; its own namespace is "@". NULL for what is the
 * cluster's own. */
static struct kst_json *fact_of(const struct kst_object *object)
{
    static const char *const of_meta[] = {"uid",        "resourceVersion", "creationTimestamp",
                                          "generation", "managedFields",   "namespace"};
    static const char *const of_spec[] = {"volumeName", "dataSource", "dataSourceRef", "clusterIP",
                                          "clusterIPs"};
    if (strcmp(kst_api_text(object->json, "type"), "kubernetes.io/service-account-token") == 0)
        return NULL;
    kst_auto_json struct kst_json *json = kst_json_dup(object->json);
    struct kst_json *metadata = kst_json_mut(json, "metadata");
    remove_keys(metadata, of_meta, KST_ARRAY_LEN(of_meta));
    remove_keys(kst_json_mut(json, "spec"), of_spec, KST_ARRAY_LEN(of_spec));
    remove_notes(metadata);
    kst_json_remove(json, "status");
    kst_json_remove(json, "secrets"); /* of a ServiceAccount: its tokens */
    struct kst_json *each = kst_json_first_mut(kst_json_mut(metadata, "ownerReferences"));
    for (; each; each = kst_json_next_mut(each))
        kst_json_remove(each, "uid");
    each = kst_json_first_mut(kst_json_mut(json, "subjects"));
    for (; each; each = kst_json_next_mut(each))
        if (strcmp(kst_api_text(each, "namespace"), object->ns) == 0)
            kst_json_set_str(each, "namespace", "@");
    return kst_take(json);
}

static void add_all(const struct world *self, struct kst_json *out, const char *bucket,
                    const char *ns, struct kst_json *(*what)(const struct kst_object *object))
{
    struct kst_control_list list = kst_control_list(self->api, bucket, ns);
    for (size_t i = 0; i < list.count; i++) {
        kst_auto_free char *key = kst_asprintf("%s %s", bucket, list.objects[i]->name);
        struct kst_json *value = what(list.objects[i]);
        if (value)
            kst_json_set(out, key, value);
    }
    kst_control_list_release(&list);
}

struct kst_json *world_facts(const struct world *self, const char *ns)
{
    struct kst_json *out = kst_json_object();
    for (size_t i = 0; i < KST_ARRAY_LEN(facts); i++)
        add_all(self, out, facts[i], ns, fact_of);
    return out;
}

static struct kst_json *uid_of(const struct kst_object *object)
{
    return kst_json_from_str(kst_api_text(object->json, "metadata.uid"));
}

/* A claim's is told with its volume's. */
static struct kst_json *life_of(const struct kst_object *object)
{
    return kst_json_make("{'uid':%s,'volume':%s}", kst_api_text(object->json, "metadata.uid"),
                         kst_api_text(object->json, "spec.volumeName"));
}

struct kst_json *world_lives(const struct world *self, const char *ns)
{
    struct kst_json *out = kst_json_object();
    for (size_t i = 0; i < KST_ARRAY_LEN(facts); i++)
        add_all(self, out, facts[i], ns, life_of);
    add_all(self, out, "/pods", ns, uid_of);
    return out;
}

/* ---- the restore point ---- */

bool world_is_base(const struct world *self, const char *bucket, const char *name)
{
    kst_auto_free char *key = kst_asprintf("%s %s", bucket, name);
    return self->base_parts && kst_json_get(self->base_parts, key);
}

void world_forget_base(struct world *self)
{
    kst_json_free(self->base_facts);
    kst_json_free(self->base_parts);
    self->base_facts = self->base_parts = NULL;
}

static void note_base(struct world *self)
{
    self->base_facts = world_facts(self, CRASH_APP);
    struct kst_json *parts = self->base_parts = kst_json_object();
    add_all(self, parts, "kassette.io/runs", CRASH_HOME, uid_of);
    add_all(self, parts, "kassette.io/restorepoints", CRASH_HOME, uid_of);
    add_all(self, parts, SNAPSHOTS, NULL, uid_of);
    add_all(self, parts, CONTENTS, NULL, uid_of);
    kst_auto_json struct kst_json *secrets = world_archive(self);
    for (const struct kst_json *row = kst_json_first(secrets); row; row = kst_json_next(row)) {
        kst_auto_free char *key = kst_asprintf("/secrets %s", kst_api_text(row, "metadata.name"));
        kst_json_set_str(parts, key, kst_api_text(row, "metadata.uid"));
    }
}

int world_make_base(struct world *self, struct kst_err **err)
{
    int status = 0;
    self->basing = true;
    int rc = engine_run(self, &status, err);
    self->basing = false;
    if (rc == 0 && status != 0)
        rc = kst_err_set(err, KST_E_FAILED, "the backup that is to be restored ended with %d",
                         status);
    if (rc == 0)
        note_base(self);
    return rc;
}

/* ---- before a restore ---- */

static size_t left_of_a_restore(struct world *self)
{
    struct kst_control_list volumes = kst_control_list(self->api, "/persistentvolumes", NULL);
    size_t left = world_count(self, "/persistentvolumeclaims", CRASH_COPY) +
                  (kst_api_find(self->api, "/namespaces", "", CRASH_COPY) ? 1 : 0);
    for (size_t i = 0; i < volumes.count; i++) {
        const struct kst_json *volume = volumes.objects[i]->json;
        const char *ns = kst_api_text(volume, "spec.claimRef.namespace");
        const struct kst_object *claim = kst_api_find(self->api, "/persistentvolumeclaims", ns,
                                                      kst_api_text(volume, "spec.claimRef.name"));
        if (claim &&
            strcmp(kst_api_text(claim->json, "spec.volumeName"), volumes.objects[i]->name) == 0)
            continue;
        left++;
        if (!kst_api_is_deleting(volume))
            kst_control_delete(self->api, "/persistentvolumes", volumes.objects[i]);
    }
    kst_control_list_release(&volumes);
    return left;
}

int world_remove_copy(struct world *self, struct kst_err **err)
{
    const struct kst_object *ns = kst_api_find(self->api, "/namespaces", "", CRASH_COPY);
    int64_t end_ms = kst_now_ms() + GONE_MS;
    if (ns)
        kst_control_delete(self->api, "/namespaces", ns);
    while (left_of_a_restore(self) > 0) {
        if (kst_now_ms() > end_ms)
            return kst_err_set(err, KST_E_TIMEOUT, "what a restore has left is not removed in %d s",
                               GONE_MS / 1000);
        int rc = kst_sleep_ms(LOOK_MS, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int mark(struct world *self, const char *claim, struct kst_err **err)
{
    kst_auto_free char *dir = world_volume(self, CRASH_APP, claim);
    kst_auto_free char *path = kst_asprintf("%s/" MARKER, dir ? dir : "");
    FILE *file = fopen(path, "w");
    if (!file)
        return kst_err_set(err, KST_E_IO, "%s: %s", path, strerror(errno));
    fclose(file);
    return 0;
}

static void remove_one(struct world *self, const char *bucket, const char *name)
{
    const struct kst_object *object = kst_api_find(self->api, bucket, CRASH_APP, name);
    if (object)
        kst_control_delete(self->api, bucket, object);
}

/* What a restore in place is to set right. */
static void change_objects(struct world *self)
{
    const struct kst_api_call call = kst_api_call_for(self->api, "/configmaps", CRASH_APP,
                                                      "settings", "test");
    kst_auto_json struct kst_json *patch = kst_json_make("{'data':{'colour':'red'}}");
    kst_json_free(kst_api_patch(self->api, &call, KST_API_PATCH_MERGE, patch, false, NULL, NULL));
    remove_one(self, "/secrets", "credentials");
    remove_one(self, "rbac.authorization.k8s.io/rolebindings", "reader");
}

int world_change(struct world *self, enum setting setting, struct kst_err **err)
{
    static const char *const volumes[] = {"data", "log"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < (size_t)VOLUMES; i++) {
        kst_auto_free char *claim = kst_asprintf("%s-%s-0", volumes[i % 2], crash_databases[i / 2]);
        rc = mark(self, claim, err);
    }
    if (setting == SETTING_RESTORE)
        change_objects(self);
    kst_json_free(self->facts);
    kst_json_free(self->lives);
    self->facts = world_facts(self, CRASH_APP);
    self->lives = world_lives(self, CRASH_APP);
    return rc;
}
