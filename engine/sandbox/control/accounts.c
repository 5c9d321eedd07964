/* SPDX-License-Identifier: Apache-2.0 */
/* Each namespace has a default service account, each account a token, and the cluster's root
 * certificate lies everywhere. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/control/controller.h"
#include "sandbox/server/server.h"

#define ACCOUNT_NAME "kubernetes.io/service-account.name"
#define ACCOUNT_UID  "kubernetes.io/service-account.uid"

enum { SECRET_BYTES = 64 * 1024 };

static void set_base64(struct kst_json *data, const char *key, const char *text)
{
    kst_auto_buf encoded = KST_BUF_INIT(SECRET_BYTES);
    kst_base64_encode(&encoded, text, strlen(text));
    kst_json_set_str(data, key, encoded.data);
}

/* What a Secret of that type tells of its account. */
static void fill_secret(const struct kst_control *control, const struct kst_object *account,
                        struct kst_json *secret)
{
    struct kst_json *data = kst_json_ensure_object(secret, "data");
    const char *ca = kst_api_ca(control->api);
    kst_auto_free char *token = kst_server_account_token(control->server, account->ns,
                                                         account->name, account->uid);
    if (ca)
        set_base64(data, "ca.crt", ca);
    set_base64(data, "namespace", account->ns);
    set_base64(data, "token", token);
}

static void give_token(const struct kst_control *control, const struct kst_object *account)
{
    char suffix[6];
    kst_api_suffix(suffix);
    kst_auto_free char *name = kst_asprintf("%s-token-%s", account->name, suffix);
    struct kst_json *secret = kst_json_make(
        "{'apiVersion':'v1','kind':'Secret','metadata':{'name':%s,'namespace':%s,'annotations':{"
        "'kubernetes.io/service-account.name':%s,'kubernetes.io/service-account.uid':%s}},"
        "'type':'kubernetes.io/service-account-token','data':{}}",
        name, account->ns, account->name, account->uid);
    fill_secret(control, account, secret);
    if (kst_control_create(control->api, "/secrets", account->ns, "kube-controller-manager",
                           secret) < 0)
        return;
    struct kst_json *changed = kst_json_dup(account->json);
    kst_json_push(kst_json_ensure_array(changed, "secrets"), kst_json_make("{'name':%s}", name));
    kst_control_update(control->api, "/serviceaccounts", account, "kube-controller-manager",
                       changed);
}

static const char *annotation_of(const struct kst_json *object, const char *key)
{
    return kst_json_str(kst_json_get(kst_json_path(object, "metadata.annotations"), key));
}

/* A Secret that somebody made for an account gets its token; that of an account which is gone goes
 * too. */
static void keep_token(const struct kst_control *control, const struct kst_object *secret)
{
    const char *name = annotation_of(secret->json, ACCOUNT_NAME);
    const char *uid = annotation_of(secret->json, ACCOUNT_UID);
    const struct kst_object *account = name ? kst_api_find(control->api, "/serviceaccounts",
                                                           secret->ns, name)
                                            : NULL;
    if (uid && (!account || strcmp(account->uid, uid) != 0)) {
        kst_control_delete(control->api, "/secrets", secret);
        return;
    }
    if (!account || (uid && kst_json_path(secret->json, "data.token")))
        return;
    struct kst_json *changed = kst_json_dup(secret->json);
    struct kst_json *metadata = kst_json_ensure_object(changed, "metadata");
    kst_json_set_str(kst_json_ensure_object(metadata, "annotations"), ACCOUNT_UID, account->uid);
    fill_secret(control, account, changed);
    kst_control_update(control->api, "/secrets", secret, "kube-controller-manager", changed);
}

static void keep_tokens(const struct kst_control *control, const char *ns)
{
    struct kst_control_list list = kst_control_list(control->api, "/secrets", ns);
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(kst_api_text(list.objects[i]->json, "type"),
                   "kubernetes.io/service-account-token") == 0)
            keep_token(control, list.objects[i]);
    kst_control_list_release(&list);
}

static void keep_namespace(const struct kst_control *control, const struct kst_object *ns)
{
    struct kst_api *api = control->api;
    if (!kst_api_find(api, "/serviceaccounts", ns->name, "default"))
        kst_control_create(api, "/serviceaccounts", ns->name, "kube-controller-manager",
                           kst_json_make("{'apiVersion':'v1','kind':'ServiceAccount',"
                                         "'metadata':{'name':'default'}}"));
    if (kst_api_ca(api) && !kst_api_find(api, "/configmaps", ns->name, "kube-root-ca.crt"))
        kst_control_create(api, "/configmaps", ns->name, "kube-controller-manager",
                           kst_json_make("{'apiVersion':'v1','kind':'ConfigMap','metadata':{"
                                         "'name':'kube-root-ca.crt'},'data':{'ca.crt':%s}}",
                                         kst_api_ca(api)));
    struct kst_control_list list = kst_control_list(api, "/serviceaccounts", ns->name);
    for (size_t i = 0; i < list.count; i++)
        if (!kst_json_get(list.objects[i]->json, "secrets"))
            give_token(control, list.objects[i]);
    kst_control_list_release(&list);
    keep_tokens(control, ns->name);
}

static int64_t reconcile(const struct kst_control *control)
{
    struct kst_control_list list = kst_control_list(control->api, "/namespaces", NULL);
    for (size_t i = 0; i < list.count; i++)
        if (!kst_api_is_deleting(list.objects[i]->json))
            keep_namespace(control, list.objects[i]);
    kst_control_list_release(&list);
    return KST_NEVER;
}

const struct kst_controller kst_control_accounts = {
    .name = "kube-controller-manager",
    .buckets = {"/namespaces", "/serviceaccounts", "/secrets", "/configmaps"},
    .reconcile = reconcile,
};
