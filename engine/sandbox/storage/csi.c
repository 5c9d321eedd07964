/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/storage/csi.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

struct kst_json *kst_csi_faults(struct kst_csi *csi)
{
    kst_auto_json struct kst_json *map = NULL;
    kst_auto_err struct kst_err *err = NULL;
    kst_kube_get(csi->kube, &kst_res_configmaps, "kube-system", "dircsi-faults", &map, &err);
    return map ? kst_json_detach(map, "data") : NULL;
}

const char *kst_csi_annotation(const struct kst_json *object, const char *name)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.annotations"), name));
}

char *kst_csi_quoted(const char *text)
{
    kst_auto_buf out = KST_BUF_INIT(1 << 20);
    kst_buf_addc(&out, '"');
    for (; *text; text++) {
        if (*text == '\n')
            kst_buf_adds(&out, "\\n");
        else if (*text == '"' || *text == '\\')
            kst_buf_addf(&out, "\\%c", *text);
        else
            kst_buf_addc(&out, *text);
    }
    kst_buf_addc(&out, '"');
    return kst_strdup(out.data);
}

int kst_csi_forget_not_found(int rc, struct kst_err **err)
{
    if (rc != KST_E_NOT_FOUND)
        return rc;
    kst_err_clear(err);
    return 0;
}

int kst_csi_find_object(struct kst_csi *csi, const struct kst_kube_resource *resource,
                        const char *ns, const char *name, struct kst_json **object,
                        struct kst_err **err)
{
    return kst_csi_forget_not_found(kst_kube_get(csi->kube, resource, ns, name, object, err), err);
}

bool kst_csi_has_finalizer(const struct kst_json *object, const char *finalizer)
{
    const struct kst_json *all = kst_json_path(object, "metadata.finalizers");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (strcmp(kst_json_str(row), finalizer) == 0)
            return true;
    }
    return false;
}

int kst_csi_set_finalizer(struct kst_csi *csi, const struct kst_kube_resource *resource,
                          const struct kst_json *object, const char *finalizer, bool there,
                          struct kst_json **fresh, struct kst_err **err)
{
    if (kst_csi_has_finalizer(object, finalizer) == there)
        return 0;
    kst_auto_json struct kst_json *list = kst_json_array();
    const struct kst_json *all = kst_json_path(object, "metadata.finalizers");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (strcmp(kst_json_str(row), finalizer) != 0)
            kst_json_push(list, kst_json_dup(row));
    }
    if (there)
        kst_json_push(list, kst_json_from_str(finalizer));
    kst_auto_json struct kst_json *patch = kst_json_make(
        "{'metadata':{'finalizers':%J,'resourceVersion':%s}}", list,
        kst_json_path_str(object, "metadata.resourceVersion"));
    return kst_kube_patch(csi->kube, resource, kst_json_path_str(object, "metadata.namespace"),
                          kst_json_path_str(object, "metadata.name"), NULL, KST_PATCH_MERGE, patch,
                          fresh, err);
}

/* ---- What takes time on the file system ---- */

struct job {
    const char *from; /* NULL: `to` is removed */
    const char *to;
    bool read_only;
    int done; /* an eventfd */
    int rc;
    struct kst_err *err;
};

static void *work(void *arg)
{
    struct job *job = arg;
    job->rc = job->from ? kst_storage_cut(job->from, job->to, job->read_only, &job->err)
                        : kst_storage_remove(job->to, &job->err);
    eventfd_write(job->done, 1);
    return NULL;
}

static int in_thread(struct job *job, struct kst_err **err)
{
    pthread_t thread;
    job->done = eventfd(0, EFD_CLOEXEC);
    if (job->done < 0 || pthread_create(&thread, NULL, work, job) != 0) {
        if (job->done >= 0)
            close(job->done);
        return kst_err_set(err, KST_E_IO, "%s: no thread can be started", job->to);
    }
    /* The thread has our variables: nobody leaves before it. */
    kst_shield_begin();
    int64_t outer = kst_deadline_replace(KST_NEVER);
    kst_wait_fd(job->done, POLLIN, KST_NEVER, NULL);
    kst_deadline_restore(outer);
    kst_shield_end();
    pthread_join(thread, NULL);
    close(job->done);
    return job->rc < 0 ? kst_err_move(err, &job->err) : 0;
}

int kst_csi_cut(struct kst_csi *csi, const char *from, const char *to, bool read_only,
                struct kst_err **err)
{
    bool held = csi->hold && !kst_storage_is_atomic(csi->volumes);
    if (held)
        csi->hold(csi->arg, from);
    struct job job = {.from = from, .to = to, .read_only = read_only};
    int rc = in_thread(&job, err);
    if (held)
        csi->release(csi->arg, from);
    return rc;
}

int kst_csi_remove(struct kst_csi *csi, const char *path, struct kst_err **err)
{
    struct job job = {.to = path};
    return in_thread(&job, err);
}

/* ---- Its life ---- */

static void start(struct kst_csi *self)
{
    self->groups = kst_csi_controller_start(self, "groups", self->group_resource,
                                            kst_csi_reconcile_group);
    self->group_contents = kst_csi_controller_start(
        self, "group contents", self->group_contents_resource, kst_csi_reconcile_group_content);
    self->claims = kst_csi_controller_start(self, "claims", &kst_res_pvcs, kst_csi_reconcile_claim);
    self->pvs = kst_csi_controller_start(self, "volumes", &kst_res_pvs, kst_csi_reconcile_pv);
    self->snapshots = kst_csi_controller_start(self, "snapshots", &kst_res_snapshots,
                                               kst_csi_reconcile_snapshot);
    self->contents = kst_csi_controller_start(self, "contents", &kst_res_snapshot_contents,
                                              kst_csi_reconcile_content);
    self->leases = kst_fiber_spawn(kst_kube_loop(self->kube), "leases", kst_csi_keep_leases, self);
}

static bool is_synced(const struct kst_csi *self)
{
    return kst_csi_controller_is_synced(self->claims) && kst_csi_controller_is_synced(self->pvs) &&
           kst_csi_controller_is_synced(self->snapshots) &&
           kst_csi_controller_is_synced(self->contents) &&
           kst_csi_controller_is_synced(self->groups) &&
           kst_csi_controller_is_synced(self->group_contents);
}

int kst_csi_new(const struct kst_csi_options *options, struct kst_csi **out, struct kst_err **err)
{
    const struct kst_kube_resource *groups = NULL, *contents = NULL, *classes = NULL;
    int rc = kst_kube_find_resource(
        options->kube, "volumegroupsnapshots.groupsnapshot.storage.k8s.io", &groups, err);
    if (rc == 0)
        rc = kst_kube_find_resource(options->kube,
                                    "volumegroupsnapshotcontents.groupsnapshot.storage.k8s.io",
                                    &contents, err);
    if (rc == 0)
        rc = kst_kube_find_resource(options->kube,
                                    "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io",
                                    &classes, err);
    if (rc < 0)
        return rc;
    struct kst_csi *self = kst_calloc(1, sizeof(*self));
    *self = (struct kst_csi){
        .kube = options->kube,
        .volumes = kst_strdup(options->volumes),
        .log = kst_strdup(options->cuts_log),
        .quiet = options->quiet,
        .hold = options->hold,
        .release = options->release,
        .arg = options->arg,
        .group_resource = groups,
        .group_contents_resource = contents,
        .group_class_resource = classes,
    };
    start(self);
    while (rc == 0 && !is_synced(self))
        rc = kst_cond_wait(&self->changed, KST_NEVER, err);
    if (rc < 0) {
        kst_csi_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_csi_free(struct kst_csi *self)
{
    if (!self)
        return;
    struct kst_csi_controller *const all[] = {self->claims,   self->pvs,    self->snapshots,
                                              self->contents, self->groups, self->group_contents};
    kst_fiber_cancel(self->leases);
    kst_fiber_join(self->leases, NULL);
    for (size_t i = 0; i < KST_ARRAY_LEN(all); i++)
        kst_csi_controller_stop(all[i]);
    for (size_t i = 0; i < KST_ARRAY_LEN(all); i++)
        kst_csi_controller_free(all[i]);
    kst_cond_release(&self->changed);
    free(self->volumes);
    free(self->log);
    free(self);
}
