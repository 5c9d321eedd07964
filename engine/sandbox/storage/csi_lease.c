/* SPDX-License-Identifier: Apache-2.0 */
/* The Leases of the controllers, as leader election keeps them. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"
#include "sandbox/storage/csi_internal.h"
#include "sandbox/storage/storage.h"

enum { LEASE_MS = 5000, LEASE_LOOK_MS = 500 };

/* The Lease by which a controller says that it lives, as leader election names it. */
struct life {
    const char *lease, *ended_by; /* the fault that ends it */
    char since[KST_TIME_TEXT];    /* empty: not held */
    int64_t renewed_ms;
};

static int renew(struct kst_csi *csi, struct life *life, struct kst_err **err)
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
    int rc = kst_kube_patch(csi->kube, &kst_res_leases, "kube-system", life->lease, NULL,
                            KST_PATCH_APPLY, lease, NULL, err);
    if (rc == 0)
        life->renewed_ms = kst_wall_ms();
    return rc;
}

static int keep(struct kst_csi *csi, struct life *life, bool alive, struct kst_err **err)
{
    if (alive)
        return kst_wall_ms() - life->renewed_ms < LEASE_MS ? 0 : renew(csi, life, err);
    if (!life->since[0])
        return 0;
    int rc = kst_csi_forget_not_found(
        kst_kube_delete(csi->kube, &kst_res_leases, "kube-system", life->lease, NULL, err), err);
    if (rc == 0)
        *life = (struct life){.lease = life->lease, .ended_by = life->ended_by};
    return rc;
}

int kst_csi_keep_leases(void *arg, struct kst_err **err)
{
    struct kst_csi *csi = arg;
    /* One that an earlier process has left counts as held, so that a fault ends it too. */
    struct life lives[] = {
        {.lease = "snapshot-controller-leader", .ended_by = "noController"},
        {.lease = "external-snapshotter-leader-dir-csi-kassette-test", .ended_by = "noSidecar"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(lives); i++)
        kst_time_format_micro(kst_wall_us(), lives[i].since);
    int rc;
    do {
        kst_auto_json struct kst_json *faults = kst_csi_faults(csi);
        for (size_t i = 0; i < KST_ARRAY_LEN(lives); i++) {
            kst_auto_err struct kst_err *cause = NULL;
            if (keep(csi, &lives[i], !kst_storage_fault(faults, NULL, NULL, lives[i].ended_by),
                     &cause) < 0)
                kst_log(KST_LOG_WARN, "lease not renewed", "lease", lives[i].lease, "reason",
                        kst_err_message(cause), NULL);
        }
        rc = kst_sleep_ms(LEASE_LOOK_MS, err);
    } while (rc == 0);
    return rc;
}
