/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/remove.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/internal.h"
#include "kube/resource.h"
#include "kube/watch.h"
#include "loop/fiber.h"

/* The object of this uid; what keeps it where it is being deleted. */
struct going {
    const char *uid;
    char *finalizers;
};

static int is_gone(void *arg, const struct kst_json *object, struct kst_err **err)
{
    struct going *self = arg;
    if (!object || !kst_same(kst_json_path_str(object, "metadata.uid"), self->uid))
        return 1;
    free(self->finalizers);
    self->finalizers = kst_json_text(kst_json_path(object, "metadata.finalizers"));
    return 0;
}

int kst_kube_remove(struct kst_kube *self, const struct kst_kube_resource *resource,
                    const struct kst_json *object, int64_t timeout_ms, struct kst_err **err)
{
    struct going going = {.uid = kst_json_path_str(object, "metadata.uid")};
    const char *name = kst_json_path_str(object, "metadata.name");
    const char *ns = kst_json_path_str(object, "metadata.namespace");
    const struct kst_kube_delete_options options = {
        .propagation = "Background", .grace_seconds = -1, .uid = going.uid};
    struct kst_err *cause = NULL;
    if (!object)
        return 0;
    int rc = kst_json_path_str(object, "metadata.deletionTimestamp")
                 ? 0
                 : kst_kube_delete(self, resource, ns, name, &options, &cause);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(&cause);
        return 0;
    }
    if (rc == 0)
        rc = kst_watch_until(self, resource, ns, name, is_gone, &going,
                             kst_deadline_in_ms(timeout_ms), "to be deleted", NULL, &cause);
    if (rc == KST_E_TIMEOUT && going.finalizers && kst_fiber_check(NULL) == 0) {
        kst_auto_free char *what = kst_kube_what(resource, ns, name);
        kst_err_clear(&cause);
        kst_err_set(&cause, rc, "%s was not deleted in time: its finalizers %s keep it", what,
                    going.finalizers);
        kst_err_reason(&cause, "NotDeleted");
        kst_err_hint(&cause, "see what uses it with: kubectl describe %s %s%s%s", resource->plural,
                     name, ns ? " -n " : "", ns ? ns : "");
    }
    free(going.finalizers);
    return rc < 0 ? kst_err_move(err, &cause) : 0;
}
