/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What config*.c share: the merged files, the configuration itself, and its credentials.
 */
#ifndef KST_KUBE_CONFIG_INTERNAL_H
#define KST_KUBE_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "kube/config.h"
#include "loop/fiber.h"

struct kst_err;
struct kst_json;

enum {
    KST_KUBECONFIG_FILE_BYTES = 8 * 1024 * 1024,
    KST_KUBECONFIG_SECRET_BYTES = 1024 * 1024, /* a certificate, key or token */
};

/* ---- Merged files (config_merge.c, config_entry.c): {"current-context": ENTRY, "contexts": {NAME:
 * ENTRY}, …} with ENTRY {"file": …, "value": …} ---- */

struct kst_kubeconfig_entry {
    const char *what; /* "context", "cluster", "user" */
    const char *name;
    const char *file; /* that it stands in */
    const struct kst_json *value;
};

/* Adds a file's text behind those that were added before, which win. */
int kst_kubeconfig_add_text(struct kst_json *merged, const char *file, struct kst_str text,
                            struct kst_err **err);
/* As above; a file that is not there is no error, and *found is false. */
int kst_kubeconfig_add_file(struct kst_json *merged, const char *file, bool *found,
                            struct kst_err **err);
/* `what` as in the struct. KST_E_NOT_FOUND names those that there are; `from` is what the name was
 * taken from. */
int kst_kubeconfig_find(const struct kst_json *merged, const char *what, const char *name,
                        const char *from, struct kst_kubeconfig_entry *out, struct kst_err **err);
/* Fields of an entry; absent, null and "" give NULL or false, another type is KST_E_INVALID. */
int kst_kubeconfig_str(const struct kst_kubeconfig_entry *entry, const char *field,
                       const char **out, struct kst_err **err);
int kst_kubeconfig_bool(const struct kst_kubeconfig_entry *entry, const char *field, bool *out,
                        struct kst_err **err);
int kst_kubeconfig_object(const struct kst_kubeconfig_entry *entry, const char *field,
                          const struct kst_json **out, struct kst_err **err);
/* A path in `file`, relative to it. The caller frees it. */
char *kst_kubeconfig_beside(const char *file, const char *path);

/* ---- The configuration ---- */

/* A PEM text that is given itself, or as a file that is read again when it changes. */
struct kst_config_pem {
    char *path; /* NULL where the text was given itself */
    char *text;
};

/* A credential plugin (config_exec.c). */
struct kst_config_exec {
    char *api_version;
    char *command;
    char *install_hint;
    char **args;                    /* ended by NULL; [0] is the command */
    char **env;                     /* "NAME=value", ended by NULL */
    bool wants_cluster;             /* provideClusterInfo */
    struct kst_json *cluster_extra; /* the cluster's extension for plugins, or NULL */
    bool has_run;
    int64_t expires_wall_ms; /* KST_NEVER: not told */
    char *token;
    char *cert_pem, *key_pem;
    /* One fiber runs the plugin, others wait for what comes of it. */
    bool running;
    uint64_t failures;
    struct kst_err *failure; /* the last one */
    struct kst_cond done;
};

struct kst_kube_config {
    char *server;
    char *namespace_;
    char *context;
    char *proxy;
    char *server_name;
    bool insecure;
    bool in_cluster;
    char *user;        /* its name, "" where there is none */
    char *user_source; /* 'user "x" of /home/…/config', for messages */
    struct kst_config_pem ca, cert, key;
    char *token;        /* as it stands in the file, or was last read from token_file */
    char *token_file;   /* NULL: none */
    char *basic;        /* "Basic …" or NULL */
    char **impersonate; /* headers, ended by NULL; NULL where there are none */
    struct kst_config_exec *exec;
    char **headers; /* all of them; made anew when credentials change */
    uint64_t generation;
    int64_t look_again_ms;
};

/* The configuration that merged files and options give, before any other file is read. */
int kst_kubeconfig_resolve(const struct kst_json *merged,
                           const struct kst_kube_config_options *options,
                           struct kst_kube_config **out, struct kst_err **err);
/* Impersonation headers from the user's entry (may be NULL) and the options. */
int kst_kubeconfig_impersonate(struct kst_kube_config *self,
                               const struct kst_kubeconfig_entry *user,
                               const struct kst_kube_config_options *options, struct kst_err **err);
/* Reads certificates, keys and tokens for the first time, checks them, and makes the headers. */
int kst_config_read_credentials(struct kst_kube_config *self, struct kst_err **err);
/* Why the server may not like our credentials, where that can be known here (a client certificate
 * that has expired), or NULL. The caller frees it. */
char *kst_config_explain(const struct kst_kube_config *self);

/* NULL-ended lists of owned strings. */
void kst_config_list_add(char ***list, char *taken);
void kst_config_list_free(char **list, bool secret);
/* Frees a string that held a secret; NULL is allowed. */
void kst_config_free_secret(char *text);
/* Whether the text can stand in a header: no control characters. */
bool kst_config_header_safe(const char *text);

/* Reads a user's `exec` (config_exec.c). `cluster` is for KUBERNETES_EXEC_INFO. */
int kst_config_exec_new(const struct kst_kubeconfig_entry *user,
                        const struct kst_kubeconfig_entry *cluster, struct kst_config_exec **out,
                        struct kst_err **err);
void kst_config_exec_free(struct kst_config_exec *self);
/* Has a credential that is valid now, running the plugin where needed or `renew`. Yields. *changed
 * is set where there is a new one. */
int kst_config_exec_ensure(struct kst_kube_config *config, bool renew, bool *changed,
                           struct kst_err **err);

#endif
