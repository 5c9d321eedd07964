/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage stand-in of the real cluster: dircsi --volumes DIR --cuts FILE. It runs until it is
 * ended by SIGTERM; README.md in the folder above says what it answers to.
 */
#include "dircsi.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config.h"
#include "kube/resource.h"
#include "loop/fiber.h"
#include "loop/http.h"
#include "loop/loop.h"
#include "sandbox/storage.h"

enum { LEASE_MS = 5000 };

struct dircsi dircsi;

/* ---- Faults ---- */

static struct kst_json *read_faults(struct kst_kube *kube)
{
    struct kst_json *map = NULL;
    struct kst_err *err = NULL;
    kst_kube_get(kube, &kst_res_configmaps, "kube-system", "dircsi-faults", &map, &err);
    kst_err_free(err);
    return map;
}

char *fault_text(struct kst_kube *kube, const char *ns, const char *claim, const char *key)
{
    kst_auto_json struct kst_json *map = read_faults(kube);
    kst_auto_free char *own = kst_asprintf("%s.%s.%s", ns ? ns : "", claim ? claim : "", key);
    const char *value = kst_json_str(kst_json_get(kst_json_get(map, "data"), own));
    if (!value)
        value = kst_json_str(kst_json_get(kst_json_get(map, "data"), key));
    return value && *value ? kst_strdup(value) : NULL;
}

int64_t fault_ms(struct kst_kube *kube, const char *ns, const char *claim, const char *key)
{
    kst_auto_free char *text = fault_text(kube, ns, claim, key);
    return text ? strtoll(text, NULL, 10) : 0;
}

bool fault_is_set(struct kst_kube *kube, const char *ns, const char *claim, const char *key)
{
    kst_auto_free char *text = fault_text(kube, ns, claim, key);
    return text && strcmp(text, "false") != 0;
}

/* ---- What the parts share ---- */

char *path_of(const char *handle)
{
    return kst_asprintf("%s/%s", dircsi.volumes, handle ? handle : "none");
}

bool has_finalizer(const struct kst_json *object, const char *finalizer)
{
    const struct kst_json *all = kst_json_path(object, "metadata.finalizers");
    for (const struct kst_json *row = kst_json_first(all); row; row = kst_json_next(row)) {
        if (strcmp(kst_json_str(row), finalizer) == 0)
            return true;
    }
    return false;
}

int set_finalizer(struct kst_kube *kube, const struct kst_kube_resource *resource,
                  const struct kst_json *object, const char *finalizer, bool there,
                  struct kst_err **err)
{
    if (has_finalizer(object, finalizer) == there)
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
    return kst_kube_patch(kube, resource, kst_json_path_str(object, "metadata.namespace"),
                          kst_json_path_str(object, "metadata.name"), NULL, KST_PATCH_MERGE, patch,
                          NULL, err);
}

struct job {
    const char *from, *to;
    bool read_only;
    int done; /* an eventfd */
    int rc;
    struct kst_err *err;
};

static void *cut_in_thread(void *arg)
{
    struct job *job = arg;
    job->rc = kst_storage_cut(job->from, job->to, job->read_only, &job->err);
    eventfd_write(job->done, 1);
    return NULL;
}

int cut_volume(const char *from, const char *to, bool read_only, struct kst_err **err)
{
    struct job job = {
        .from = from, .to = to, .read_only = read_only, .done = eventfd(0, EFD_CLOEXEC)};
    pthread_t thread;
    if (job.done < 0 || pthread_create(&thread, NULL, cut_in_thread, &job) != 0)
        return kst_err_set(err, KST_E_IO, "cut %s: no thread can be started", from);
    kst_wait_fd(job.done, POLLIN, KST_NEVER, NULL);
    pthread_join(thread, NULL);
    close(job.done);
    return job.rc < 0 ? kst_err_move(err, &job.err) : 0;
}

/* ---- Signs of life ---- */

static int keep_lease(struct kst_kube *kube, const char *name, bool alive, struct kst_err **err)
{
    if (!alive) {
        int rc = kst_kube_delete(kube, &kst_res_leases, "kube-system", name, NULL, err);
        if (rc == KST_E_NOT_FOUND)
            kst_err_clear(err);
        return rc == KST_E_NOT_FOUND ? 0 : rc;
    }
    char now[KST_TIME_TEXT];
    kst_time_format_micro(kst_wall_us(), now);
    kst_auto_json struct kst_json *lease = kst_json_make(
        "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease',"
        "'metadata':{'name':%s,'namespace':'kube-system'},"
        "'spec':{'holderIdentity':'dircsi','leaseDurationSeconds':15,'renewTime':%s}}",
        name, now);
    return kst_kube_patch(kube, &kst_res_leases, "kube-system", name, NULL, KST_PATCH_APPLY, lease,
                          NULL, err);
}

static int keep_leases(void *arg, struct kst_err **err)
{
    struct kst_kube *kube = arg;
    for (;;) {
        kst_auto_err struct kst_err *cause = NULL;
        int rc = keep_lease(kube, "snapshot-controller-leader",
                            !fault_is_set(kube, NULL, NULL, "noController"), &cause);
        if (rc == 0)
            rc = keep_lease(kube, "external-snapshotter-leader-dir-csi-kassette-test",
                            !fault_is_set(kube, NULL, NULL, "noSidecar"), &cause);
        if (rc < 0)
            kst_log(KST_LOG_WARN, "leases not renewed", "reason", kst_err_message(cause), NULL);
        kst_sleep_ms(rc < 0 ? LEASE_MS / 10 : LEASE_MS, NULL);
    }
    return 0;
}

static int run(void *arg, struct kst_err **err)
{
    struct kst_loop *loop = arg;
    const struct kst_kube_config_options options = {0};
    struct kst_kube_config *config = NULL;
    int rc = kst_kube_config_load(&options, &config, err);
    if (rc < 0)
        return rc;
    struct kst_kube *kube = kst_kube_new(loop, config);
    dircsi.claims = controller_start(kube, "claims", &kst_res_pvcs, reconcile_claim);
    dircsi.pvs = controller_start(kube, "volumes", &kst_res_pvs, reconcile_pv);
    dircsi.snapshots = controller_start(kube, "snapshots", &kst_res_snapshots, reconcile_snapshot);
    dircsi.contents = controller_start(kube, "contents", &kst_res_snapshot_contents,
                                       reconcile_content);
    kst_fiber_detach(kst_fiber_spawn(loop, "leases", keep_leases, kube));
    kst_log(KST_LOG_INFO, "storage stand-in started", "volumes", dircsi.volumes, "cuts",
            kst_storage_is_atomic(dircsi.volumes) ? "atomic (btrfs)" : "copies", NULL);
    for (;;)
        kst_sleep_ms(60 * 60 * 1000, NULL);
}

/* Nothing is kept in memory that matters: the end may come at any time. */
static void end(int signal_number)
{
    _exit(0);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--volumes") == 0)
            dircsi.volumes = argv[i + 1];
        else if (strcmp(argv[i], "--cuts") == 0)
            dircsi.cuts = argv[i + 1];
    }
    if (!dircsi.volumes || !dircsi.cuts) {
        fprintf(stderr, "usage: dircsi --volumes DIR --cuts FILE\n");
        return 2;
    }
    signal(SIGTERM, end);
    signal(SIGINT, end);
    kst_http_global_init();
    struct kst_loop *loop = NULL;
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_loop_new(&loop, &err);
    if (rc == 0)
        rc = kst_loop_run(loop, "dircsi", run, loop, &err);
    fprintf(stderr, "dircsi: %s\n", kst_err_message(err));
    return rc < 0;
}
