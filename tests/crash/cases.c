/* SPDX-License-Identifier: Apache-2.0 */
/* The list of everything that is tried. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "sandbox/server/faults.h"

enum { TIMES = 40 };

/* The places inside of the hooks, at which a command stands still while its engine is killed. */
static const char *const stages[] = {
    "locked freeze-begin", "locked freeze-end",   "locked thaw-begin",
    "locked thaw-end",     "held session-begin",  "held session-locked",
    "held session-told",   "held session-unlock", "held session-end",
};

const char *deed_name(const struct blow *blow)
{
    switch (blow->deed) {
    case DEED_KILL_ARRIVED:
        return "kill-arrived";
    case DEED_KILL_ACTED:
        return "kill-acted";
    case DEED_KILL_ANSWERED:
        return "kill-answered";
    case DEED_KILL_STAGE:
        return "kill-inside";
    case DEED_KILL_TIME:
        return "kill-at";
    case DEED_STALL:
        return "stall";
    case DEED_OUTAGE:
        return "outage";
    case DEED_FAULT:
        return kst_faults_name(blow->fault);
    default:
        return "nothing";
    }
}

static char *name_of(const struct blow *blow)
{
    if (blow->deed == DEED_KILL_TIME)
        return kst_asprintf("kill-at %lldms", (long long)blow->at_ms);
    if (blow->deed == DEED_KILL_STAGE)
        return kst_asprintf("kill-inside %s", blow->what);
    return kst_asprintf("%s %s#%u", deed_name(blow), blow->what, blow->nth);
}

static struct blow copy(const struct blow *blow)
{
    struct blow made = *blow;
    made.what = kst_strdup(blow->what);
    return made;
}

static bool waits(const struct blow *blow)
{
    bool fault = blow->deed == DEED_FAULT;
    return blow->deed == DEED_OUTAGE || blow->deed == DEED_STALL ||
           (fault && (blow->fault == KST_FAULT_HANG || blow->fault == KST_FAULT_429));
}

static struct crash_case *add(struct cases *self, enum setting setting, const struct blow *blow)
{
    if (self->count == self->size) {
        self->size = self->size ? self->size * 2 : 256;
        self->list = kst_realloc(self->list, self->size * sizeof(*self->list));
    }
    struct crash_case *made = &self->list[self->count++];
    *made = (struct crash_case){.name = name_of(blow), .setting = setting, .nblows = 1};
    made->blows[0] = copy(blow);
    made->slow = setting == SETTING_SLOW || waits(blow);
    return made;
}

static void add_second(struct cases *self, enum setting setting, const struct blow *first,
                       const struct blow *second)
{
    struct crash_case *made = add(self, setting, first);
    kst_auto_free char *before = made->name;
    kst_auto_free char *after = name_of(second);
    made->name = kst_asprintf("%s, then %s", before, after);
    made->blows[made->nblows++] = copy(second);
    made->slow = made->slow || waits(second);
}

/* "update runs/status crash#2" into its two parts. */
static struct blow point(const char *text)
{
    const char *mark = strrchr(text, '#');
    long long nth = 1;
    kst_parse_int(mark + 1, &nth);
    return (struct blow){.what = kst_strndup(text, (size_t)(mark - text)), .nth = (unsigned)nth};
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool fits(const struct blow *blow, enum kst_server_fault fault)
{
    bool reads = begins(blow->what, "get ") || begins(blow->what, "list ") ||
                 begins(blow->what, "watch ");
    if (fault == KST_FAULT_409)
        return !reads && !strstr(blow->what, "pods/exec");
    if (fault == KST_FAULT_410)
        return begins(blow->what, "list ") || begins(blow->what, "watch ");
    return true;
}

static void add_kills(struct cases *self, enum setting setting, struct blow *at,
                      const struct blow *first)
{
    static const enum deed kills[] = {DEED_KILL_ARRIVED, DEED_KILL_ACTED, DEED_KILL_ANSWERED};
    for (size_t i = 0; i < KST_ARRAY_LEN(kills); i++) {
        at->deed = kills[i];
        if (first)
            add_second(self, setting, first, at);
        else
            add(self, setting, at);
    }
}

static void add_point(struct cases *self, enum setting setting, const char *text)
{
    struct blow at = point(text);
    add_kills(self, setting, &at, NULL);
    for (int i = KST_FAULT_RESET_BEFORE; kst_faults_name((enum kst_server_fault)i); i++) {
        at.deed = DEED_FAULT;
        at.fault = (enum kst_server_fault)i;
        if (fits(&at, at.fault))
            add(self, setting, &at);
    }
    at.deed = DEED_OUTAGE;
    add(self, setting, &at);
    at.deed = DEED_STALL;
    if (setting == SETTING_PLAIN)
        add(self, setting, &at);
    free(at.what);
}

static void add_recovery_point(struct cases *self, const struct reference *of, const char *text)
{
    struct blow at = point(text);
    add_kills(self, of->setting, &at, &of->inside);
    at.deed = DEED_OUTAGE;
    add_second(self, of->setting, &of->inside, &at);
    free(at.what);
}

static bool has(const struct kst_json *list, const char *text)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (strcmp(kst_json_str(e), text) == 0)
            return true;
    return false;
}

static void add_reference(struct cases *self, const struct reference *of,
                          const struct reference *plain)
{
    for (const struct kst_json *e = kst_json_first(of->order); e; e = kst_json_next(e))
        if (of == plain || !has(plain->order, kst_json_str(e)))
            add_point(self, of->setting, kst_json_str(e));
    for (const struct kst_json *e = kst_json_first(of->recovery); e; e = kst_json_next(e))
        if (of == plain || !has(plain->recovery, kst_json_str(e)))
            add_recovery_point(self, of, kst_json_str(e));
}

void cases_make(struct cases *self, const struct reference *references)
{
    const struct reference *plain = &references[SETTING_PLAIN];
    for (int i = 0; i < SETTINGS; i++)
        add_reference(self, &references[i], plain);
    for (size_t i = 0; i < KST_ARRAY_LEN(stages); i++) {
        struct blow at = {.deed = DEED_KILL_STAGE, .what = (char *)stages[i]};
        add(self, SETTING_PLAIN, &at);
    }
    for (int64_t i = 0; i < TIMES; i++) {
        struct blow at = {.deed = DEED_KILL_TIME, .at_ms = 1 + i * plain->took_ms / TIMES};
        add(self, SETTING_PLAIN, &at);
    }
}

void cases_free(struct cases *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free(self->list[i].name);
        free(self->list[i].why);
        for (size_t j = 0; j < self->list[i].nblows; j++)
            free(self->list[i].blows[j].what);
    }
    free(self->list);
}
