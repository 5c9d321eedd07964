/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage stand-in of the real cluster: dircsi --volumes DIR --cuts FILE [--ready FILE]. It
 * makes the last one when it has seen all that there is, and runs until it is ended by SIGTERM;
 * README.md in the folder above says what it answers to.
 */
#include "dircsi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
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

enum { LEASE_MS = 5000, LEASE_LOOK_MS = 500, SYNC_LOOK_MS = 20 };

struct dircsi dircsi;
static const char *ready_file;

/* ---- What the parts share ---- */

struct kst_json *read_faults(struct kst_kube *kube)
{
    kst_auto_json struct kst_json *map = NULL;
    kst_auto_err struct kst_err *err = NULL;
    kst_kube_get(kube, &kst_res_configmaps, "kube-system", "dircsi-faults", &map, &err);
    return map ? kst_json_detach(map, "data") : NULL;
}

bool is(const char *text, const char *wanted)
{
    return text && wanted && strcmp(text, wanted) == 0;
}

const char *annotation(const struct kst_json *object, const char *name)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.annotations"), name));
}

char *quoted(const char *text)
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

int forget_not_found(int rc, struct kst_err **err)
{
    if (rc != KST_E_NOT_FOUND)
        return rc;
    kst_err_clear(err);
    return 0;
}

int find_object(struct kst_kube *kube, const struct kst_kube_resource *resource, const char *ns,
                const char *name, struct kst_json **object, struct kst_err **err)
{
    return forget_not_found(kst_kube_get(kube, resource, ns, name, object, err), err);
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
                  struct kst_json **fresh, struct kst_err **err)
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
                          fresh, err);
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
    if (job.done < 0 || pthread_create(&thread, NULL, cut_in_thread, &job) != 0) {
        if (job.done >= 0)
            close(job.done);
        return kst_err_set(err, KST_E_IO, "cut %s: no thread can be started", from);
    }
    kst_wait_fd(job.done, POLLIN, KST_NEVER, NULL);
    pthread_join(thread, NULL);
    close(job.done);
    return job.rc < 0 ? kst_err_move(err, &job.err) : 0;
}

/* ---- Signs of life ---- */

/* The Lease by which a controller says that it lives, as leader election names it. */
struct life {
    const char *lease, *ended_by; /* the fault that ends it */
    char since[KST_TIME_TEXT];    /* empty: not held */
    int64_t renewed_ms;
};

static int renew(struct kst_kube *kube, struct life *life, struct kst_err **err)
{
    char now[KST_TIME_TEXT], host[256] = "dircsi";
    kst_time_format_micro(kst_wall_us(), now);
    if (!life->since[0])
        memcpy(life->since, now, sizeof(now));
    gethostname(host, sizeof(host) - 1);
    kst_auto_json struct kst_json *lease = kst_json_make(
        "{'apiVersion':'coordination.k8s.io/v1','kind':'Lease',"
        "'metadata':{'name':%s,'namespace':'kube-system'},"
        "'spec':{'holderIdentity':%s,'leaseDurationSeconds':15,'acquireTime':%s,'renewTime':%s,"
        "'leaseTransitions':0}}",
        life->lease, host, life->since, now);
    int rc = kst_kube_patch(kube, &kst_res_leases, "kube-system", life->lease, NULL,
                            KST_PATCH_APPLY, lease, NULL, err);
    if (rc == 0)
        life->renewed_ms = kst_wall_ms();
    return rc;
}

static int keep(struct kst_kube *kube, struct life *life, bool alive, struct kst_err **err)
{
    if (alive)
        return kst_wall_ms() - life->renewed_ms < LEASE_MS ? 0 : renew(kube, life, err);
    if (!life->since[0])
        return 0;
    int rc = forget_not_found(
        kst_kube_delete(kube, &kst_res_leases, "kube-system", life->lease, NULL, err), err);
    if (rc == 0)
        *life = (struct life){.lease = life->lease, .ended_by = life->ended_by};
    return rc;
}

static int keep_leases(void *arg, struct kst_err **err)
{
    struct kst_kube *kube = arg;
    /* One that an earlier process has left counts as held, so that a fault ends it too. */
    struct life lives[] = {
        {.lease = "snapshot-controller-leader", .ended_by = "noController"},
        {.lease = "external-snapshotter-leader-dir-csi-kassette-test", .ended_by = "noSidecar"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(lives); i++)
        kst_time_format_micro(kst_wall_us(), lives[i].since);
    for (;;) {
        kst_auto_json struct kst_json *faults = read_faults(kube);
        for (size_t i = 0; i < KST_ARRAY_LEN(lives); i++) {
            kst_auto_err struct kst_err *cause = NULL;
            if (keep(kube, &lives[i], !kst_storage_fault(faults, NULL, NULL, lives[i].ended_by),
                     &cause) < 0)
                kst_log(KST_LOG_WARN, "lease not renewed", "lease", lives[i].lease, "reason",
                        kst_err_message(cause), NULL);
        }
        kst_sleep_ms(LEASE_LOOK_MS, NULL);
    }
    return 0;
}

static int write_ready_file(struct kst_err **err)
{
    int fd = open(ready_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return kst_err_set(err, KST_E_IO, "%s: %s", ready_file, strerror(errno));
    close(fd);
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
    const struct kst_kube_resource *groups = NULL;
    rc = find_group_resource(kube, &groups, err);
    if (rc < 0)
        return rc;
    dircsi.groups = controller_start(kube, "groups", groups, reconcile_group);
    dircsi.claims = controller_start(kube, "claims", &kst_res_pvcs, reconcile_claim);
    dircsi.pvs = controller_start(kube, "volumes", &kst_res_pvs, reconcile_pv);
    dircsi.snapshots = controller_start(kube, "snapshots", &kst_res_snapshots, reconcile_snapshot);
    dircsi.contents = controller_start(kube, "contents", &kst_res_snapshot_contents,
                                       reconcile_content);
    kst_fiber_detach(kst_fiber_spawn(loop, "leases", keep_leases, kube));
    struct controller *const all[] = {dircsi.claims, dircsi.pvs, dircsi.snapshots, dircsi.contents,
                                      dircsi.groups};
    for (size_t i = 0; i < KST_ARRAY_LEN(all); i++) {
        while (!controller_is_synced(all[i]))
            kst_sleep_ms(SYNC_LOOK_MS, NULL);
    }
    kst_log(KST_LOG_INFO, "storage stand-in started", "volumes", dircsi.volumes, "cuts",
            kst_storage_is_atomic(dircsi.volumes) ? "atomic (btrfs)" : "copies", NULL);
    rc = ready_file ? write_ready_file(err) : 0;
    while (rc == 0)
        kst_sleep_ms(60 * 60 * 1000, NULL);
    return rc;
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
        else if (strcmp(argv[i], "--ready") == 0)
            ready_file = argv[i + 1];
    }
    if (!dircsi.volumes || !dircsi.cuts) {
        fprintf(stderr, "usage: dircsi --volumes DIR --cuts FILE [--ready FILE]\n");
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
