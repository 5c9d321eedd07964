/* SPDX-License-Identifier: Apache-2.0 */
/* A client of a scripted server, for tests of what is built on kube/client.h. */
#ifndef KST_TESTS_UNIT_KUBE_FIXTURE_H
#define KST_TESTS_UNIT_KUBE_FIXTURE_H

#include <stdint.h>

#include "fake_http.h"

struct kst_err;
struct kst_kube;

/* Starts the server with `fn`, makes a client of it (token "sesame-token", namespace "shop",
 * context "x") whose patience is `patience_ms`, runs `body` in a fiber, and ends all of it. Returns
 * what `body` returned. */
int kube_fixture_run(fake_http_fn *fn, void *arg, int64_t patience_ms,
                     int (*body)(struct kst_kube *kube, void *arg, struct kst_err **err),
                     struct kst_err **err);

#endif
