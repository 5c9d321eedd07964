/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded cluster as a whole: an API server on loopback, its controllers, a node that runs
 * Pods as processes of this machine, and storage in a directory. Everything lives in this process
 * and ends with it; nothing is left but what was asked to be kept.
 */
#ifndef KST_SANDBOX_SANDBOX_H
#define KST_SANDBOX_SANDBOX_H

#include <stdbool.h>

#include "sandbox/server/server.h"

struct kst_api;
struct kst_controllers;
struct kst_err;
struct kst_loop;
struct kst_sandbox;

struct kst_sandbox_options {
    struct kst_server_options server;
    const char *dir; /* volumes, logs and the kubeconfig; NULL: a new one in /tmp that is removed */
    const char *images; /* a file that describes more images; NULL: none */
    bool no_node;       /* Pods stay Pending */
    bool bare; /* nothing but what an API server begins with: neither storage nor snapshots nor
                * Kassette's own resources and namespace */
};

/* Yields until it is served. KST_E_IO, KST_E_EXISTS (the port), KST_E_USAGE (the images). */
int kst_sandbox_new(struct kst_loop *loop, const struct kst_sandbox_options *options,
                    struct kst_sandbox **out, struct kst_err **err);
/* Yields until everything has ended: Pods, controllers, requests. */
void kst_sandbox_free(struct kst_sandbox *self);
struct kst_api *kst_sandbox_api(const struct kst_sandbox *self);
const char *kst_sandbox_url(const struct kst_sandbox *self);
/* For what happens to API servers: kst_server_leave(). Borrowed. */
struct kst_server *kst_sandbox_server(const struct kst_sandbox *self);
/* Its directory: kubeconfig, volumes/, cuts.log. */
const char *kst_sandbox_dir(const struct kst_sandbox *self);
/* The path of its kubeconfig file. */
const char *kst_sandbox_kubeconfig(const struct kst_sandbox *self);
/* Whether the controllers have nothing left to do. */
bool kst_sandbox_is_idle(const struct kst_sandbox *self);

#endif
