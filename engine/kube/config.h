/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a cluster is reached: a kubeconfig, as kubectl reads it, or the service account of the Pod
 * that we run in.
 * https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
#ifndef KST_KUBE_CONFIG_H
#define KST_KUBE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_json;
struct kst_kube_config;

/* What the command line may say; NULL means: as the file has it. */
struct kst_kube_config_options {
    const char *kubeconfig; /* --kubeconfig: this file alone, and it must exist */
    const char *context;
    const char *cluster;
    const char *user;
    const char *namespace_;
    const char *as;               /* impersonation */
    const char *const *as_groups; /* ended by NULL, may be NULL */
};

/* Loads, in kubectl's order: --kubeconfig, else the files of $KUBECONFIG (merged: the first that
 * sets a value wins, missing files are skipped), else the in-cluster account where
 * KUBERNETES_SERVICE_HOST is set and there is no ~/.kube/config, else ~/.kube/config. Relative
 * paths in a file are relative to it. Errors name the file, the field and the line where known:
 * KST_E_NOT_FOUND (no configuration, context, cluster or user), KST_E_PARSE, KST_E_INVALID. Reads
 * files; blocks on the file system only. The caller frees *out. */
int kst_kube_config_load(const struct kst_kube_config_options *options,
                         struct kst_kube_config **out, struct kst_err **err);
/* The Pod's own account: token and ca.crt under /var/run/secrets/kubernetes.io/serviceaccount
 * (`root` replaces that folder where it is not NULL, for tests). */
int kst_kube_config_in_cluster(const char *root, struct kst_kube_config **out,
                               struct kst_err **err);
void kst_kube_config_free(struct kst_kube_config *self);

/* Borrowed for the life of the configuration. */
const char *kst_kube_config_server(const struct kst_kube_config *self);    /* no trailing slash */
const char *kst_kube_config_namespace(const struct kst_kube_config *self); /* "default" if unset */
const char *kst_kube_config_context(const struct kst_kube_config *self);   /* "" in cluster */
const char *kst_kube_config_proxy(const struct kst_kube_config *self);     /* or NULL */
bool kst_kube_config_insecure(const struct kst_kube_config *self);
bool kst_kube_config_is_in_cluster(const struct kst_kube_config *self);

/* What a request needs beside its URL. PEM texts and headers are borrowed until the next call of
 * kst_kube_config_auth() on the same configuration. */
struct kst_kube_auth {
    const char *ca_pem;
    const char *cert_pem;
    const char *key_pem;
    const char *server_name;
    bool insecure;
    const char *const *headers; /* Authorization, Impersonate-…; ended by NULL */
    uint64_t generation;        /* changes whenever credentials changed */
};

/* Fills *auth with credentials that are valid now: files of tokens are read again when they changed
 * (looked at once a minute, and at once when `rejected`: the server answered 401 to the credentials
 * of `rejected_generation`), an exec plugin (client.authentication.k8s.io/v1 and v1beta1) is run
 * when it has not been yet, its credential expires, or on `rejected`. Yields while a plugin runs.
 * KST_E_FORBIDDEN with the plugin's name, exit code and install hint, never its output. */
int kst_kube_config_auth(struct kst_kube_config *self, bool rejected, uint64_t rejected_generation,
                         struct kst_kube_auth *auth, struct kst_err **err);

#endif
