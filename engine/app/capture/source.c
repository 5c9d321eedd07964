/* SPDX-License-Identifier: Apache-2.0 */
#include "app/capture/source.h"

#include <stdlib.h>

#include "app/node_ports.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/pages.h"
#include "kube/resource.h"
#include "loop/fiber.h"

enum { AHEAD = 4 };

/* An object on its way. */
struct get {
    struct kst_capture_source *source;
    const char *name;
    struct kst_fiber *fiber;
    struct kst_json *object;
};

struct kst_capture_source {
    struct kst_kube *kube;
    const struct kst_kube_resource *resource;
    struct kst_kube_pages *pages; /* of a list */
    struct kst_names *names;      /* else */
    struct get slots[AHEAD];      /* get i of all has the place i % AHEAD */
    size_t begun, done;
};

static int run_get(void *arg, struct kst_err **err)
{
    struct get *self = arg;
    int rc = kst_kube_get(self->source->kube, self->source->resource, NULL, self->name,
                          &self->object, err);
    if (rc == KST_E_NOT_FOUND) {
        kst_err_clear(err);
        rc = 0;
    }
    return rc;
}

static void begin_gets(struct kst_capture_source *self)
{
    while (self->begun < self->names->count && self->begun - self->done < AHEAD) {
        struct get *get = &self->slots[self->begun % AHEAD];
        *get = (struct get){.source = self, .name = self->names->items[self->begun]};
        get->fiber = kst_fiber_spawn(kst_kube_loop(self->kube), get->name, run_get, get);
        self->begun++;
    }
}

struct kst_capture_source *kst_capture_source_list(struct kst_kube *kube,
                                                   const struct kst_kube_resource *resource,
                                                   const char *ns, const char *selector)
{
    struct kst_capture_source *self = kst_calloc(1, sizeof(*self));
    const struct kst_kube_list_options options = {.label_selector = selector};
    self->pages = kst_kube_pages_open(kube, resource, ns, &options,
                                      kst_node_ports_are_of(resource));
    return self;
}

struct kst_capture_source *kst_capture_source_named(struct kst_kube *kube,
                                                    const struct kst_kube_resource *resource,
                                                    struct kst_names *names)
{
    struct kst_capture_source *self = kst_calloc(1, sizeof(*self));
    self->kube = kube;
    self->resource = resource;
    self->names = names;
    kst_names_sort(names);
    begin_gets(self);
    return self;
}

int kst_capture_source_next(struct kst_capture_source *self, struct kst_json **object,
                            struct kst_err **err)
{
    if (self->pages)
        return kst_kube_pages_next(self->pages, object, err);
    while (self->done < self->begun) {
        struct get *get = &self->slots[self->done++ % AHEAD];
        int rc = kst_fiber_join(kst_take(get->fiber), err);
        if (rc < 0)
            return rc;
        struct kst_json *found = kst_take(get->object);
        begin_gets(self);
        if (found) {
            *object = found;
            return 1;
        }
    }
    return 0;
}

void kst_capture_source_close(struct kst_capture_source *self)
{
    if (!self)
        return;
    kst_kube_pages_close(self->pages);
    for (size_t i = 0; i < AHEAD; i++)
        if (self->slots[i].fiber)
            kst_fiber_cancel(self->slots[i].fiber);
    for (size_t i = 0; i < AHEAD; i++) {
        if (self->slots[i].fiber)
            kst_fiber_join(self->slots[i].fiber, NULL);
        kst_json_free(self->slots[i].object);
    }
    free(self);
}
