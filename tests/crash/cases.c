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
    case DEED_CANCEL:
        return "cancel";
    case DEED_TERM:
        return "term";
    case DEED_FAULT:
        return kst_faults_name(blow->fault);
    default:
        return "nothing";
    }
}

static const char *prefix(enum setting setting)
{
    return setting == SETTING_RESTORE ? "restore: " : setting == SETTING_COPY ? "copy: " : "";
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
    *made = (struct crash_case){.setting = setting, .nblows = 1};
    kst_auto_free char *name = name_of(blow);
    made->name = kst_asprintf("%s%s", prefix(setting), name);
    made->blows[0] = copy(blow);
    made->slow = setting == SETTING_SLOW || waits(blow);
    return made;
}

static struct crash_case *add_second(struct cases *self, enum setting setting,
                                     const struct blow *first, const struct blow *second)
{
    struct crash_case *made = add(self, setting, first);
    kst_auto_free char *before = made->name;
    kst_auto_free char *after = name_of(second);
    made->name = kst_asprintf("%s, then %s", before, after);
    made->blows[made->nblows++] = copy(second);
    made->slow = made->slow || waits(second);
    return made;
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

/* A request of a reference run. Requests that are alike share the deeds: each deed is done to one
 * of them, to the others with --all. */
struct place {
    const char *text;
    size_t turn, of; /* this one among those that are alike; turn 0, of 1: there is no other */
    size_t deeds;    /* done here so far */
};

/* Deeds to a restore that try what backups have tried before: how requests are repeated, and what
 * another deed does as well. */
static bool is_known(const struct crash_case *made)
{
    const struct blow *blow = &made->blows[made->nblows - 1];
    if (!setting_restores(made->setting))
        return false;
    if (made->nblows > 1)
        return blow->deed == DEED_KILL_ARRIVED || blow->deed == DEED_KILL_ANSWERED;
    if (made->setting == SETTING_COPY && (blow->deed == DEED_STALL || blow->deed == DEED_TERM))
        return true;
    return blow->deed == DEED_FAULT && blow->fault != KST_FAULT_RESET_AFTER &&
           blow->fault != KST_FAULT_409 && blow->fault != KST_FAULT_410 &&
           blow->fault != KST_FAULT_500;
}

static void share(struct crash_case *made, struct place *place)
{
    made->rest = place->deeds++ % place->of != place->turn || is_known(made);
}

static void add_kills(struct cases *self, enum setting setting, struct blow *at,
                      const struct blow *first, struct place *place)
{
    static const enum deed kills[] = {DEED_KILL_ARRIVED, DEED_KILL_ACTED, DEED_KILL_ANSWERED};
    for (size_t i = 0; i < KST_ARRAY_LEN(kills); i++) {
        at->deed = kills[i];
        share(first ? add_second(self, setting, first, at) : add(self, setting, at), place);
    }
}

/* Where a cancel is heard: the Run is there, and has not ended. */
static void add_cancels(struct cases *self, const struct reference *of, struct blow *at,
                        struct place *place)
{
    static const enum deed cancels[] = {DEED_CANCEL, DEED_TERM};
    const char *name = kst_json_str(kst_json_get(of->phases, place->text));
    enum kst_phase phase = kst_phase_parse(name);
    if (!setting_restores(of->setting) || phase < KST_PHASE_PLAN || phase >= KST_PHASE_SUCCEEDED)
        return;
    for (size_t i = 0; i < KST_ARRAY_LEN(cancels); i++) {
        at->deed = cancels[i];
        share(add(self, of->setting, at), place);
    }
}

static void add_point(struct cases *self, const struct reference *of, struct place *place)
{
    enum setting setting = of->setting;
    struct blow at = point(place->text);
    add_kills(self, setting, &at, NULL, place);
    for (int i = KST_FAULT_RESET_BEFORE; kst_faults_name((enum kst_server_fault)i); i++) {
        at.deed = DEED_FAULT;
        at.fault = (enum kst_server_fault)i;
        if (fits(&at, at.fault))
            share(add(self, setting, &at), place);
    }
    at.deed = DEED_OUTAGE;
    share(add(self, setting, &at), place);
    at.deed = DEED_STALL;
    if (setting == SETTING_PLAIN || setting_restores(setting))
        share(add(self, setting, &at), place);
    add_cancels(self, of, &at, place);
    free(at.what);
}

static void add_recovery_point(struct cases *self, const struct reference *of, struct place *place)
{
    struct blow at = point(place->text);
    add_kills(self, of->setting, &at, &of->inside, place);
    at.deed = DEED_OUTAGE;
    share(add_second(self, of->setting, &of->inside, &at), place);
    free(at.what);
}

static bool has(const struct kst_json *list, const char *text)
{
    for (const struct kst_json *e = kst_json_first(list); e; e = kst_json_next(e))
        if (strcmp(kst_json_str(e), text) == 0)
            return true;
    return false;
}

/* What requests that are alike have in common, or NULL: the lists of a phase; what is read of one
 * resource in a phase; in a restore, which does the same to several claims, also what is written.
 */
static char *kind_of(const struct reference *of, const char *text)
{
    const char *phase = kst_json_str(kst_json_get(of->phases, text));
    if (!phase)
        phase = "";
    if (begins(text, "list "))
        return kst_asprintf("list %s", phase);
    if (!begins(text, "get ") && !begins(text, "watch ") && !setting_restores(of->setting))
        return NULL;
    size_t verb = strcspn(text, " ") + 1;
    return kst_asprintf("%.*s %s", (int)(verb + strcspn(text + verb, " #")), text, phase);
}

static void add_each(struct cases *self, const struct reference *of, const struct kst_json *order,
                     const struct kst_json *known,
                     void (*add_one)(struct cases *self, const struct reference *of,
                                     struct place *place))
{
    kst_auto_json struct kst_json *alike = kst_json_object(), *turns = kst_json_object();
    for (const struct kst_json *e = kst_json_first(order); e; e = kst_json_next(e)) {
        kst_auto_free char *kind = kind_of(of, kst_json_str(e));
        if (kind && !has(known, kst_json_str(e)))
            kst_json_set_int(alike, kind, kst_json_path_int(alike, kind, 0) + 1);
    }
    for (const struct kst_json *e = kst_json_first(order); e; e = kst_json_next(e)) {
        kst_auto_free char *kind = kind_of(of, kst_json_str(e));
        struct place place = {.text = kst_json_str(e), .of = 1};
        if (has(known, place.text))
            continue;
        if (kind) {
            int64_t turn = kst_json_path_int(turns, kind, 0);
            place.turn = (size_t)turn;
            place.of = (size_t)kst_json_path_int(alike, kind, 1);
            kst_json_set_int(turns, kind, turn + 1);
        }
        add_one(self, of, &place);
    }
}

void cases_make(struct cases *self, const struct reference *references)
{
    static const struct reference none;
    const struct reference *plain = &references[SETTING_PLAIN];
    for (int i = 0; i < SETTINGS; i++) {
        const struct reference *of = &references[i],
                               *known = i == SETTING_PLAIN || i == SETTING_RESTORE ? &none
                                        : i == SETTING_COPY ? &references[SETTING_RESTORE]
                                                            : plain;
        add_each(self, of, of->order, known->order, add_point);
        add_each(self, of, of->recovery, known->recovery, add_recovery_point);
    }
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
