/* SPDX-License-Identifier: Apache-2.0 */
/* Events, as the recorders of Kubernetes write them: what is said again is counted. */
#include <stdarg.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/api/store.h"
#include "sandbox/bootstrap.h"
#include "sandbox/control/controller.h"

#define EVENTS "/events"

enum { TEXT_BYTES = 64 * 1024, MESSAGE_BYTES = 1024 };

static const char failed[] = "FailedCreate";

static const char *manager_of(const char *component)
{
    if (strcmp(component, "kubelet") == 0)
        return "kubelet";
    return strcmp(component, "default-scheduler") == 0 ? "kube-scheduler"
                                                       : "kube-controller-manager";
}

static void count_again(struct kst_api *api, const struct kst_object *event, const char *manager,
                        const char *message)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    struct kst_json *changed = kst_json_dup(event->json);
    kst_json_set_int(changed, "count", kst_json_path_int(changed, "count", 1) + 1);
    kst_json_set_str(changed, "lastTimestamp", now);
    kst_json_set_str(changed, "message", message);
    kst_control_update(api, EVENTS, event, manager, changed);
}

static struct kst_json *make(const struct kst_object *about, const char *field,
                             const char *component, const char *type, const char *reason,
                             const char *message)
{
    char now[KST_TIME_TEXT];
    kst_api_now(now);
    kst_auto_free char *version = kst_asprintf("%lld", (long long)about->version);
    struct kst_json *event = kst_json_make(
        "{'apiVersion':'v1','kind':'Event','metadata':{},'involvedObject':{'kind':%s},"
        "'reason':%s,'message':%s,'source':{'component':%s},'firstTimestamp':%s,"
        "'lastTimestamp':%s,'count':1,'type':%s,'eventTime':null,'reportingComponent':'',"
        "'reportingInstance':''}",
        kst_api_text(about->json, "kind"), reason, message, component, now, now, type);
    struct kst_json *involved = kst_json_mut(event, "involvedObject");
    if (*about->ns)
        kst_json_set_str(involved, "namespace", about->ns);
    kst_json_set_str(involved, "name", about->name);
    kst_json_set_str(involved, "uid", about->uid);
    kst_json_set_str(involved, "apiVersion", kst_api_text(about->json, "apiVersion"));
    kst_json_set_str(involved, "resourceVersion", version);
    kst_json_set_str(involved, "fieldPath", field);
    if (strcmp(component, "kubelet") == 0)
        kst_json_set_str(kst_json_mut(event, "source"), "host", KST_SANDBOX_NODE);
    return event;
}

/* What Events are told apart by is their message too, but for failures, which are one. */
static char *name_of(const struct kst_object *about, const char *field, const char *component,
                     const char *type, const char *reason, const char *message)
{
    kst_auto_free char *what = kst_asprintf("%s %s %s %s %s %s", about->uid, field ? field : "",
                                            component, type, reason, message);
    return kst_asprintf("%.200s.%016llx", about->name, kst_hash(what, strlen(what)));
}

static void record(struct kst_api *api, const struct kst_object *about, const char *field,
                   const char *component, const char *type, const char *reason, const char *message)
{
    bool failure = strcmp(reason, failed) == 0;
    kst_auto_free char *name = name_of(about, field, component, type, reason,
                                       failure ? "" : message);
    const char *ns = *about->ns ? about->ns : "default";
    kst_auto_object struct kst_object *live = kst_object_ref(kst_api_find(api, EVENTS, ns, name));
    if (live) {
        count_again(api, live, manager_of(component), message);
        return;
    }
    struct kst_json *event = make(about, field, component, type, reason, message);
    kst_json_set_str(kst_json_mut(event, "metadata"), "name", name);
    kst_json_set_str(kst_json_mut(event, "metadata"), "namespace", ns);
    kst_control_create(api, EVENTS, ns, manager_of(component), event);
}

static void tell(struct kst_api *api, const struct kst_object *about, const char *field,
                 const char *component, const char *type, const char *reason, const char *format,
                 va_list args)
{
    kst_auto_buf message = KST_BUF_INIT(TEXT_BYTES);
    kst_buf_addv(&message, format, args);
    kst_buf_truncate(&message, MESSAGE_BYTES);
    record(api, about, field, component, type, reason, message.data);
}

void kst_control_event_once(struct kst_api *api, const struct kst_object *about,
                            const char *component, const char *type, const char *reason,
                            const char *format, ...)
{
    kst_auto_buf message = KST_BUF_INIT(TEXT_BYTES);
    va_list args;
    va_start(args, format);
    kst_buf_addv(&message, format, args);
    va_end(args);
    kst_buf_truncate(&message, MESSAGE_BYTES);
    kst_auto_free char *name = name_of(about, NULL, component, type, reason, message.data);
    if (!kst_api_find(api, EVENTS, *about->ns ? about->ns : "default", name))
        record(api, about, NULL, component, type, reason, message.data);
}

void kst_control_event(struct kst_api *api, const struct kst_object *about, const char *component,
                       const char *type, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(api, about, NULL, component, type, reason, format, args);
    va_end(args);
}

void kst_control_event_of(struct kst_api *api, const struct kst_object *about, const char *field,
                          const char *component, const char *type, const char *reason,
                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(api, about, field, component, type, reason, format, args);
    va_end(args);
}

int64_t kst_control_failed_until(struct kst_api *api, const struct kst_object *about,
                                 const char *component, char **message)
{
    enum { MOST_S = 60 };
    kst_auto_free char *name = name_of(about, NULL, component, "Warning", failed, "");
    const struct kst_object *event = kst_api_find(api, EVENTS, about->ns, name);
    if (!event)
        return 0;
    int64_t count = kst_json_path_int(event->json, "count", 1), delay_s = 1;
    const char *last = kst_api_text(event->json, "lastTimestamp");
    for (int64_t i = 1; i < count && delay_s < MOST_S; i++)
        delay_s *= 2;
    int64_t until = kst_control_time(last, delay_s < MOST_S ? delay_s : MOST_S);
    if (until <= kst_now_ms())
        return 0;
    if (message)
        *message = kst_strdup(kst_api_text(event->json, "message"));
    return until;
}
