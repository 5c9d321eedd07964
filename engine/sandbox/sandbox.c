/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/config.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/control/controller.h"
#include "sandbox/load.h"
#include "sandbox/node/image.h"
#include "sandbox/node/node.h"
#include "sandbox/place.h"
#include "sandbox/storage/csi.h"

struct kst_sandbox {
    struct kst_api *api;
    struct kst_server *server;
    struct kst_controllers *controllers;
    struct kst_images *images;
    struct kst_node *node;
    struct kst_place *place;
    struct kst_kube_config *config; /* of the storage's client */
    struct kst_kube *kube;
    struct kst_csi *csi;
    char *kubeconfig;
};

/* It holds a token: for its owner alone. */
static int write_kubeconfig(struct kst_sandbox *self, struct kst_err **err)
{
    self->kubeconfig = kst_asprintf("%s/kubeconfig", kst_place_path(self->place));
    kst_auto_free char *text = kst_server_kubeconfig(self->server);
    int fd = open(self->kubeconfig, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t wrote = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    if (wrote == (ssize_t)strlen(text))
        return 0;
    return kst_err_set(err, KST_E_IO, "%s cannot be written: %s", self->kubeconfig,
                       strerror(errno));
}

/* The server is there before its node. */
static void serve_log(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    kst_node_log(((struct kst_sandbox *)arg)->node, request, pod);
}

static void serve_exec(void *arg, struct kst_httpd_request *request, const struct kst_object *pod)
{
    kst_node_exec(((struct kst_sandbox *)arg)->node, request, pod);
}

static void serve_forward(void *arg, struct kst_httpd_request *request,
                          const struct kst_object *pod)
{
    kst_node_forward(((struct kst_sandbox *)arg)->node, request, pod);
}

static int start_node(struct kst_loop *loop, struct kst_sandbox *self,
                      const struct kst_sandbox_options *options, struct kst_err **err)
{
    int rc = kst_images_new(&self->images, err);
    if (rc == 0)
        kst_images_set_base(self->images, kst_place_path(self->place));
    if (rc == 0 && options->images)
        rc = kst_images_load(self->images, options->images, err);
    const struct kst_node_options node = {.api = self->api,
                                          .images = self->images,
                                          .dir = kst_place_path(self->place),
                                          .api_host = "127.0.0.1",
                                          .api_port = kst_server_port(self->server)};
    return rc < 0 ? rc : kst_node_new(loop, &node, &self->node, err);
}

/* The storage asks the server as every other client does. */
static int start_storage(struct kst_loop *loop, struct kst_sandbox *self, struct kst_err **err)
{
    const struct kst_kube_config_options options = {.kubeconfig = self->kubeconfig};
    int rc = kst_kube_config_load(&options, &self->config, err);
    if (rc < 0)
        return rc;
    self->kube = kst_kube_new(loop, self->config);
    kst_kube_set_agent(self->kube, "dircsi");
    kst_auto_free char *log = kst_asprintf("%s/cuts.log", kst_place_path(self->place));
    const struct kst_csi_options storage = {
        .kube = self->kube,
        .volumes = kst_place_volumes(self->place),
        .cuts_log = log,
        .quiet = true,
        .hold = self->node ? kst_node_hold : NULL,
        .release = self->node ? kst_node_release : NULL,
        .arg = self->node,
    };
    return kst_csi_new(&storage, &self->csi, err);
}

static int start(struct kst_loop *loop, struct kst_sandbox *self,
                 const struct kst_sandbox_options *options, struct kst_err **err)
{
    struct kst_server_options server = options->server;
    if (!options->no_node) {
        server.log = serve_log;
        server.exec = serve_exec;
        server.forward = serve_forward;
        server.node = self;
    }
    int rc = kst_server_new(loop, self->api, &server, &self->server, err);
    if (rc == 0)
        rc = write_kubeconfig(self, err);
    if (rc < 0)
        return rc;
    kst_bootstrap(self->api);
    rc = kst_load_bootstrap(self->api, err);
    if (rc == 0 && !options->bare)
        rc = kst_load_builtin(self->api, err);
    kst_store_compact(kst_api_store(self->api)); /* what was made was always there */
    self->controllers = kst_controllers_start(loop, self->api, self->server);
    if (rc == 0 && !options->no_node)
        rc = start_node(loop, self, options, err);
    return rc < 0 || options->bare ? rc : start_storage(loop, self, err);
}

int kst_sandbox_new(struct kst_loop *loop, const struct kst_sandbox_options *options,
                    struct kst_sandbox **out, struct kst_err **err)
{
    struct kst_sandbox *self = kst_calloc(1, sizeof(*self));
    self->api = kst_api_new();
    int rc = kst_place_new(options->dir, &self->place, err);
    if (rc == 0)
        rc = start(loop, self, options, err);
    if (rc < 0) {
        kst_sandbox_free(self);
        return rc;
    }
    *out = self;
    return 0;
}

void kst_sandbox_free(struct kst_sandbox *self)
{
    if (!self)
        return;
    kst_csi_free(self->csi);
    kst_kube_free(self->kube);
    kst_kube_config_free(self->config);
    kst_controllers_stop(self->controllers); /* nothing takes the place of a Pod that ends */
    kst_node_free(self->node);
    if (self->server)
        kst_server_stop(self->server);
    kst_images_free(self->images);
    kst_server_free(self->server);
    kst_api_free(self->api);
    if (self->kubeconfig)
        unlink(self->kubeconfig);
    kst_place_free(self->place);
    free(self->kubeconfig);
    free(self);
}

struct kst_api *kst_sandbox_api(const struct kst_sandbox *self)
{
    return self->api;
}

struct kst_server *kst_sandbox_server(const struct kst_sandbox *self)
{
    return self->server;
}

const char *kst_sandbox_url(const struct kst_sandbox *self)
{
    return kst_server_url(self->server);
}

const char *kst_sandbox_dir(const struct kst_sandbox *self)
{
    return kst_place_path(self->place);
}

const char *kst_sandbox_kubeconfig(const struct kst_sandbox *self)
{
    return self->kubeconfig;
}

bool kst_sandbox_is_idle(const struct kst_sandbox *self)
{
    return kst_controllers_are_idle(self->controllers);
}
