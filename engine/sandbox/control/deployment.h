/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the Deployments' controller share: one Deployment while it is looked at. */
#ifndef KST_SANDBOX_CONTROL_DEPLOYMENT_H
#define KST_SANDBOX_CONTROL_DEPLOYMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/control/controller.h"

struct kst_json;

#define KST_DEPLOYMENT_REVISION "deployment.kubernetes.io/revision"

struct kst_deployment {
    struct kst_api *api;
    const struct kst_object *object;
    const struct kst_json *spec;
    int64_t replicas, max_surge, max_unavailable;
    bool rolling;                 /* RollingUpdate, else Recreate */
    struct kst_control_list sets; /* that it controls, the oldest first */
    int current;                  /* the one of the present template, -1 where there is none */
    struct kst_json *conditions;  /* of its status, as they are to be written */
    int64_t collisions;           /* hashes that were taken by other templates */
    int64_t again_ms;             /* when it is to be looked at again though nothing changed */
};

/* deployment_sets.c: its ReplicaSets. */

int64_t kst_deployment_size(const struct kst_object *set);      /* replicas that it is to have */
int64_t kst_deployment_available(const struct kst_object *set); /* that it has, available */
/* Sums over all, or but the current one. */
int64_t kst_deployment_sum(const struct kst_deployment *self, bool old_only,
                           int64_t (*of)(const struct kst_object *set));
/* Finds the ReplicaSet of the present template, and numbers it; with `create`, makes it. */
void kst_deployment_find_current(struct kst_deployment *self, bool create);
/* Gives a ReplicaSet another size, and tells so by an Event; false where it had it. */
bool kst_deployment_scale(struct kst_deployment *self, size_t set, int64_t size);
/* Whether the Deployment's own size has changed since its ReplicaSets were given theirs. */
bool kst_deployment_was_scaled(const struct kst_deployment *self);
/* Spreads the Deployment's size over its ReplicaSets in proportion to what they have. */
void kst_deployment_spread(struct kst_deployment *self);
/* Deletes empty ReplicaSets beyond the history's limit, the oldest revision first. */
void kst_deployment_forget_old(struct kst_deployment *self);
/* The number in its revision annotation, 0 where there is none. */
int64_t kst_deployment_revision(const struct kst_object *object);

/* deployment_status.c: its status. */

/* Sets a condition, unless it is there with the same status and reason. */
void kst_deployment_set_condition(struct kst_deployment *self, const char *type, const char *status,
                                  const char *reason, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Whether a deadline for progress is set. */
bool kst_deployment_has_deadline(const struct kst_deployment *self);
/* Whether all that was stored of its status says that the rollout is over. */
bool kst_deployment_is_complete(const struct kst_deployment *self);
/* Writes the status; with `rollout`, also of its progress, which a paused or a scaled one does not
 * make. */
void kst_deployment_tell(struct kst_deployment *self, bool rollout);

#endif
