/* SPDX-License-Identifier: Apache-2.0 */
/* Where the engine is struck: requests are told apart by what they are about and by how many of
 * the kind came before, since those that are sent side by side come in any order. */
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/loop.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"

enum {
    STREAM_MS = 30,  /* after which a watch or a command was surely acted on */
    ANSWERED_MS = 1, /* in which the engine may read an answer */
    OUTAGE_MS = 1200,
};

static void kill_engine(struct world *self)
{
    if (self->pid > 0)
        kill(self->pid, SIGKILL);
}

static void on_kill_timer(void *arg)
{
    struct world *self = arg;
    self->kill_timer = NULL;
    self->acting = NULL;
    kill_engine(self);
}

static void kill_in(struct world *self, int64_t ms)
{
    kst_timer_stop(self->kill_timer);
    self->kill_timer = kst_timer_start(self->loop, kst_now_ms() + ms, on_kill_timer, self);
}

/* A name without the UID or hash at its end, which is another one in each cluster. */
static char *without_uid(const char *name)
{
    enum { UID_LEN = 36, HASH_LEN = 8 };
    size_t len = strlen(name), end = len, hash = len;
    while (hash > 0 && strchr("0123456789abcdef", name[hash - 1]))
        hash--;
    if (hash > 0 && len - hash == HASH_LEN && name[hash - 1] == '-')
        return kst_asprintf("%.*s*", (int)hash, name);
    while (end > 0 && strchr("0123456789abcdef-", name[end - 1]))
        end--;
    return len - end >= UID_LEN ? kst_asprintf("%.*s*", (int)end, name) : kst_strdup(name);
}

/* "update runs/status crash", "get /apis". */
static char *describe(const struct kst_server_look *look)
{
    if (!*look->resource)
        return kst_asprintf("get %s", look->path);
    kst_auto_free char *name = without_uid(look->name);
    return kst_asprintf("%s %s%s%s%s%s", look->verb, look->resource, *look->subresource ? "/" : "",
                        look->subresource, *name ? " " : "", name);
}

/* What strikes the engine that runs, or NULL. */
static const struct blow *blow_of(struct world *self, size_t *index)
{
    *index = self->starts - 1;
    if (!self->now || *index >= self->now->nblows || self->struck[*index])
        return NULL;
    return &self->now->blows[*index];
}

static void cancel(struct world *self)
{
    const struct kst_api_call call = kst_api_call_for(self->api, "kassette.io/runs", CRASH_HOME,
                                                      CRASH_RUN, "test");
    kst_auto_json struct kst_json *patch = kst_json_make("{'spec':{'cancel':true}}");
    kst_json_free(kst_api_patch(self->api, &call, KST_API_PATCH_MERGE, patch, false, NULL, NULL));
}

static enum kst_server_fault strike(struct world *self, const struct blow *blow,
                                    const struct kst_server_look *look)
{
    bool stream = strcmp(look->verb, "watch") == 0 || strcmp(look->subresource, "exec") == 0;
    switch (blow->deed) {
    case DEED_KILL_ARRIVED:
        kill_engine(self);
        return KST_FAULT_RESET_BEFORE;
    case DEED_KILL_ACTED:
        /* It stands still, so that it sees nothing of what is done now. */
        kill(self->pid, SIGSTOP);
        self->acting = look;
        kill_in(self, stream ? STREAM_MS : 1000);
        return KST_FAULT_NONE;
    case DEED_KILL_ANSWERED:
        self->acting = look;
        if (stream)
            kill_in(self, STREAM_MS);
        return KST_FAULT_NONE;
    case DEED_STALL:
        kill(self->pid, SIGSTOP);
        self->stalled = self->pid;
        return KST_FAULT_NONE;
    case DEED_OUTAGE:
        self->outage_until_ms = kst_now_ms() + OUTAGE_MS;
        return KST_FAULT_RESET_BEFORE;
    case DEED_CANCEL:
        cancel(self);
        return KST_FAULT_NONE;
    case DEED_TERM:
        kill(self->pid, SIGTERM);
        return KST_FAULT_NONE;
    case DEED_FAULT:
        return blow->fault;
    default:
        return KST_FAULT_NONE;
    }
}

enum kst_server_fault strike_on_request(void *arg, const struct kst_server_look *look)
{
    struct world *self = arg;
    if (strncmp(look->agent, "kassette/", 9) != 0 || self->pid <= 0)
        return KST_FAULT_NONE;
    kst_auto_free char *what = describe(look);
    int64_t nth = 0;
    kst_json_int(kst_json_get(self->counts, what), &nth);
    kst_json_set_int(self->counts, what, ++nth);
    kst_auto_free char *numbered = kst_asprintf("%s#%lld", what, (long long)nth);
    kst_json_push(self->order, kst_json_from_str(numbered));
    const struct kst_json *run = world_run(self);
    const char *phase = run ? kst_json_path_str(run, "status.phase") : NULL;
    kst_json_set_str(self->phases, numbered, phase ? phase : "Pending");
    if (kst_now_ms() < self->outage_until_ms)
        return KST_FAULT_RESET_BEFORE;
    size_t index = 0;
    const struct blow *blow = blow_of(self, &index);
    if (!blow || !blow->what || blow->nth != nth || strcmp(blow->what, what) != 0)
        return KST_FAULT_NONE;
    self->struck[index] = true;
    self->struck_phase = kst_phase_parse(phase);
    return strike(self, blow, look);
}

void strike_on_answer(void *arg, const struct kst_server_look *look, int code, double ms)
{
    struct world *self = arg;
    if (self->acting != look)
        return;
    self->acting = NULL;
    const struct blow *blow = &self->now->blows[self->starts - 1];
    kill_in(self, blow->deed == DEED_KILL_ACTED ? 0 : ANSWERED_MS);
}

void strike_begin(struct world *self)
{
    size_t index = 0;
    self->starts++;
    kst_json_free(self->counts);
    kst_json_free(self->order);
    kst_json_free(self->phases);
    self->phases = kst_json_object();
    self->counts = kst_json_object();
    self->order = kst_json_array();
    self->acting = NULL;
    const struct blow *blow = blow_of(self, &index);
    if (blow && blow->deed == DEED_KILL_TIME) {
        self->struck[index] = true;
        kill_in(self, blow->at_ms);
    }
}

void strike_end(struct world *self)
{
    kst_timer_stop(self->kill_timer);
    self->kill_timer = NULL;
    self->acting = NULL;
    self->pid = 0;
}
