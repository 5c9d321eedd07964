/* SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster_fixture.h"
#include "loop/fiber.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"

#define CLAIMS "/persistentvolumeclaims"

void storage_ask_claim(struct cluster *self, const char *name, const char *class,
                       const char *snapshot)
{
    kst_auto_free char *source = kst_asprintf(
        snapshot ? ", dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, "
                   "name: %s}"
                 : "%s",
        snapshot ? snapshot : "");
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: %s}, spec: {accessModes: "
        "[ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: 100Mi}}%s}}",
        name, class, source);
    cluster_load(self, yaml);
}

void storage_make_claim(struct cluster *self, const char *name, const char *snapshot)
{
    storage_ask_claim(self, name, "dir", snapshot);
    cluster_await(self, CLAIMS, name, "status.phase", "Bound");
}

void storage_snapshot(struct cluster *self, const char *name, const char *claim, const char *class)
{
    kst_auto_free char *yaml = kst_asprintf(
        "{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: %s}, "
        "spec: {%s%s%ssource: {persistentVolumeClaimName: %s}}}",
        name, class ? "volumeSnapshotClassName: " : "", class ? class : "", class ? ", " : "",
        claim);
    cluster_load(self, yaml);
}

void storage_set_faults(struct cluster *self, const char *data)
{
    struct kst_json *map = kst_json_make(
        "{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'dircsi-faults'}}");
    kst_json_set(map, "data", kst_json_make(data));
    const struct kst_api_call call = kst_api_call_for(self->api, "/configmaps", "kube-system", NULL,
                                                      "test");
    assert_null(kst_api_create(self->api, &call, map, NULL));
}

void storage_clear_faults(struct cluster *self)
{
    const struct kst_api_call call = kst_api_call_for(self->api, "/configmaps", "kube-system",
                                                      "dircsi-faults", "test");
    const struct kst_api_delete options = {.grace_seconds = -1};
    assert_null(kst_api_delete(self->api, &call, &options, NULL));
}

char *storage_in_volume(struct cluster *self, const char *claim, const char *file)
{
    kst_auto_free char *name = cluster_value(self, CLAIMS, claim, "spec.volumeName");
    const struct kst_object *pv = kst_api_find(self->api, "/persistentvolumes", "", name);
    assert_non_null(pv);
    return kst_asprintf("%s/%s", kst_json_path_str(pv->json, "spec.hostPath.path"), file);
}

void storage_put(struct cluster *self, const char *claim, const char *file, const char *text)
{
    kst_auto_free char *path = storage_in_volume(self, claim, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

char *storage_get(struct cluster *self, const char *claim, const char *file)
{
    kst_auto_free char *path = storage_in_volume(self, claim, file);
    kst_auto_buf text = KST_BUF_INIT(1024);
    return kst_buf_read_file(&text, path, NULL) == 0 ? kst_buf_take(&text) : NULL;
}

void storage_await_gone(const char *path)
{
    int64_t deadline_ms = kst_deadline_in_ms(STORAGE_WAIT_MS);
    while (access(path, F_OK) == 0 && kst_now_ms() < deadline_ms)
        kst_sleep_ms(STORAGE_TURN_MS, NULL);
    assert_int_not_equal(access(path, F_OK), 0);
}

/* Events follow what they tell of. */
void storage_await_said(struct cluster *self, const char *name, const char *reason,
                        const char *message)
{
    int64_t deadline_ms = kst_deadline_in_ms(STORAGE_WAIT_MS);
    while (!cluster_said(self, name, reason, message) && kst_now_ms() < deadline_ms)
        kst_sleep_ms(STORAGE_TURN_MS, NULL);
    assert_true(cluster_said(self, name, reason, message));
}
