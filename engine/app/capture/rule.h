/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backup leaves out, and why: what something in the cluster makes again by itself from what
 * is captured, what is of no use later, and what its owner does not want to be kept.
 * docs/capture.md tells users the same.
 */
#ifndef KST_APP_CAPTURE_RULE_H
#define KST_APP_CAPTURE_RULE_H

#include <stdbool.h>

#include "app/capture/names.h"

struct kst_json;
struct kst_kube_resource;

/* What must be known of the namespace beside the object. {0}: nothing. */
struct kst_rules {
    struct kst_names tokens;   /* Secrets that ServiceAccounts name as theirs */
    struct kst_names services; /* Services with a selector */
    bool services_known;       /* else Endpoints are judged by what stands in them */
};

/* Leaves empty ones. */
void kst_rules_release(struct kst_rules *self);
/* Why no object of this resource is captured; NULL where some may be. A static text. */
const char *kst_rule_for_kind(const struct kst_kube_resource *resource);
/* Why this one is not; NULL where it is. A static text. */
const char *kst_rule_for(struct kst_rules *self, const struct kst_json *object);
/* Whether its owner has said so, by label or annotation. */
bool kst_rule_is_excluded(const struct kst_json *object);
/* The owner that is a controller, or NULL. Borrowed. */
const struct kst_json *kst_rule_controller(const struct kst_json *object);

#endif
