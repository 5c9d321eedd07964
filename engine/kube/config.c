/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/config.h"

#include <string.h>

#include "base/mem.h"
#include "kube/config_internal.h"

void kst_config_list_add(char ***list, char *taken)
{
    size_t count = 0;
    while (*list && (*list)[count])
        count++;
    *list = kst_realloc(*list, (count + 2) * sizeof(**list));
    (*list)[count] = taken;
    (*list)[count + 1] = NULL;
}

void kst_config_free_secret(char *text)
{
    if (text)
        kst_free_secret(text, strlen(text));
}

void kst_config_list_free(char **list, bool secret)
{
    for (size_t i = 0; list && list[i]; i++) {
        if (secret)
            kst_config_free_secret(list[i]);
        else
            free(list[i]);
    }
    free(list);
}

bool kst_config_header_safe(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

void kst_kube_config_free(struct kst_kube_config *self)
{
    if (!self)
        return;
    free(self->server);
    free(self->namespace_);
    free(self->context);
    free(self->proxy);
    free(self->server_name);
    free(self->user);
    free(self->user_source);
    free(self->ca.path);
    free(self->ca.text);
    free(self->cert.path);
    free(self->cert.text);
    free(self->key.path);
    kst_config_free_secret(self->key.text);
    kst_config_free_secret(self->token);
    free(self->token_file);
    kst_config_free_secret(self->basic);
    kst_config_list_free(self->impersonate, false);
    kst_config_list_free(self->headers, true);
    kst_config_exec_free(self->exec);
    free(self);
}

const char *kst_kube_config_server(const struct kst_kube_config *self)
{
    return self->server;
}

const char *kst_kube_config_namespace(const struct kst_kube_config *self)
{
    return self->namespace_;
}

const char *kst_kube_config_context(const struct kst_kube_config *self)
{
    return self->context;
}

const char *kst_kube_config_proxy(const struct kst_kube_config *self)
{
    return self->proxy;
}

bool kst_kube_config_insecure(const struct kst_kube_config *self)
{
    return self->insecure;
}

bool kst_kube_config_is_in_cluster(const struct kst_kube_config *self)
{
    return self->in_cluster;
}
