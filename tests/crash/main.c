/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash [--all] [--sample N] [--only TEXT] [--part K/N] [--list] [--logs DIR] ENGINE DATABASE
 *
 * Tries every case (those whose name holds TEXT, or one of several between which '|' stands; N of
 * them, evenly spread; of these one N-th, the K-th), several at a time, each in a cluster of
 * its own. Ends with "N passed, N failed".
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "crash/crash.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "run/phase.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/storage/storage.h"

enum {
    WORLDS = 3,
    PATIENT_WORLDS = 8, /* more of them, for cases that wait and do nothing; of a sample: 2 */
    FEW_WORLDS = 2,
    SMALL_SAMPLE = 100, /* leaves out what waits long */
    LOOK_MS = 1,
    AMID = 60,      /* requests of an engine that takes up a restore: it makes some 100 */
    WAKE_MS = 3000, /* for an engine that stood still to end, while its successor freezes */
    END_MS = 60 * 1000,
    CANCELLED = 130, /* the exit code of an engine whose run was cancelled */
    LOG_BYTES = 4 * 1024 * 1024,
};

struct matrix {
    struct kst_loop *loop;
    char program[PATH_MAX], database[PATH_MAX];
    const char *only, *logs;
    long long sample, part, parts;
    bool all, list, reported;
    char *dir;
    unsigned worlds; /* made so far: names their directories */
    struct cases cases;
    struct reference references[SETTINGS];
};

struct worker {
    struct matrix *matrix;
    struct world *world;
    bool patient; /* takes only cases that wait */
};

static bool is_small(const struct matrix *self)
{
    return self->sample > 0 && self->sample < SMALL_SAMPLE;
}

/* ---- one case ---- */

/* Strikes when a database has come to the stage that it was told to hold at. */
struct ambush {
    struct world *world;
    const char *stage; /* database and stage */
    bool wakes;        /* lets the engine that stands still go on; else kills the one that runs */
};

static int lie_in_wait(void *arg, struct kst_err **err)
{
    struct ambush *self = arg;
    struct world *world = self->world;
    kst_auto_free char *database = kst_strdup(self->stage);
    char *stage = strchr(database, ' ');
    *stage++ = '\0';
    kst_auto_free char *hold = world_control(world, database, "hold");
    kst_auto_free char *at = world_control(world, database, "at");
    FILE *file = fopen(hold, "w");
    if (!file)
        return kst_err_set(err, KST_E_IO, "%s: %s", hold, strerror(errno));
    fputs(stage, file);
    fclose(file);
    int rc = 0;
    while (rc == 0 && access(at, F_OK) != 0)
        rc = kst_sleep_ms(LOOK_MS, err);
    if (rc == 0 && self->wakes) {
        engine_wake(world, WAKE_MS, NULL); /* its end is awaited later, where it takes longer */
    } else if (rc == 0) {
        world->struck[0] = true;
        kill(world->pid, SIGKILL);
    }
    unlink(hold);
    return rc;
}

/* Lets the engine that stands still go on when its successor is in the middle of a restore. */
static int wake_amid(void *arg, struct kst_err **err)
{
    struct ambush *self = arg;
    int rc = 0;
    while (rc == 0 && (self->world->starts < 2 || kst_json_len(self->world->order) < AMID))
        rc = kst_sleep_ms(LOOK_MS, err);
    if (rc == 0)
        engine_wake(self->world, WAKE_MS, NULL); /* its end is awaited later */
    return rc;
}

static struct kst_fiber *set_ambush(struct ambush *self)
{
    return kst_fiber_spawn(self->world->loop, "ambush", self->stage ? lie_in_wait : wake_amid,
                           self);
}

static void end_ambush(struct kst_fiber *fiber)
{
    if (!fiber)
        return;
    kst_fiber_cancel(fiber);
    kst_fiber_join(fiber, NULL);
}

static bool has_ended(const struct world *world, bool *succeeded)
{
    const struct kst_json *run = world_run(world);
    const char *phase = run ? kst_api_text(run, "status.phase") : "";
    *succeeded = strcmp(phase, "Succeeded") == 0;
    return kst_phase_is_final(kst_phase_parse(phase));
}

/* What an engine that was not killed says by its exit code. */
static int check_status(const struct world *world, int status, struct kst_err **err)
{
    bool succeeded = false;
    const struct kst_json *run = world_run(world);
    const char *phase = run ? kst_api_text(run, "status.phase") : "";
    if (status == CANCELLED && strcmp(phase, "Cancelled") == 0)
        return 0;
    if (status > 128)
        return kst_err_set(err, KST_E_FAILED, "the engine was ended by signal %d", status - 128);
    if (has_ended(world, &succeeded) && succeeded != (status == 0))
        return kst_err_set(err, KST_E_FAILED, "the run has %s, and the engine's exit code is %d",
                           succeeded ? "succeeded" : "failed", status);
    return 0;
}

static int run_engines(struct world *world, struct crash_case *now, struct kst_err **err)
{
    struct ambush ambush = {.world = world, .stage = now->blows[0].what};
    struct kst_fiber *waiting = NULL;
    int rc = 0, status = 0;
    if (now->nblows && now->blows[0].deed == DEED_KILL_STAGE)
        waiting = set_ambush(&ambush);
    for (int i = 0; i < STARTS && rc == 0; i++) {
        bool succeeded, again = status == 128 + SIGKILL || status == ENGINE_STALLED;
        if (has_ended(world, &succeeded) && !again)
            break; /* who was killed is started again, whatever the Run says */
        rc = engine_run(world, &status, err);
        if (rc == 0 && status == ENGINE_STALLED) {
            ambush = (struct ambush){.world = world, .wakes = true};
            ambush.stage = setting_restores(now->setting) ? NULL : "locked freeze-end";
            waiting = set_ambush(&ambush);
        } else if (rc == 0 && status != 128 + SIGKILL) {
            rc = check_status(world, status, err);
        }
    }
    end_ambush(waiting);
    kst_auto_err struct kst_err *error = NULL;
    int woken = world->stalled ? engine_wake(world, END_MS, &error) : 0;
    return rc == 0 && woken < 0 ? kst_err_move(err, &error) : rc;
}

static void run_case(struct world *world, struct crash_case *now)
{
    kst_auto_err struct kst_err *err = NULL;
    int64_t start_ms = kst_now_ms();
    int rc = world_clean(world, now->setting, &err);
    world->now = now;
    if (rc == 0)
        rc = run_engines(world, now, &err);
    now->why = rc < 0 ? kst_strdup(kst_err_message(err)) : check_world(world, now);
    world->now = NULL;
    now->passed = now->why == NULL;
    now->starts = world->starts;
    now->took_ms = kst_now_ms() - start_ms;
    now->done = true;
}

static void keep_log(const struct matrix *self, const struct world *world,
                     const struct crash_case *now)
{
    kst_auto_free char *name = kst_name_make(now->name, 120);
    kst_auto_free char *to = kst_asprintf("%s/%s.log", self->logs, name);
    kst_auto_free char *from = kst_asprintf("%s/engine.log", world->dir);
    kst_auto_buf text = KST_BUF_INIT(LOG_BYTES);
    FILE *file = fopen(to, "w");
    if (!file)
        return;
    kst_buf_read_file(&text, from, NULL);
    fprintf(file, "case: %s\n%s\n\n%s", now->name, now->why ? now->why : "passed", text.data);
    if (world_run(world)) {
        kst_auto_buf run = KST_BUF_INIT(LOG_BYTES);
        kst_json_print(world_run(world), KST_JSON_PRETTY, &run);
        fprintf(file, "\n%s\n", run.data);
    }
    fclose(file);
    if (!now->passed)
        printf("      its log: %s\n", to);
}

/* ---- all of them ---- */

static int make_world(struct matrix *self, struct world **out, struct kst_err **err)
{
    kst_auto_free char *dir = kst_asprintf("%s/%u", self->dir, self->worlds++);
    return world_new(self->loop, self->program, self->database, dir, out, err);
}

static struct crash_case *take_one(struct cases *cases, bool slow)
{
    for (size_t i = 0; i < cases->count; i++) {
        struct crash_case *now = &cases->list[i];
        if (now->done || now->slow != slow)
            continue;
        now->done = true;
        return now;
    }
    return NULL;
}

static struct crash_case *take(struct worker *self)
{
    struct cases *cases = &self->matrix->cases;
    struct crash_case *now = self->patient ? NULL : take_one(cases, false);
    return now ? now : take_one(cases, true);
}

static int work(void *arg, struct kst_err **err)
{
    struct worker *self = arg;
    struct crash_case *now;
    int rc = 0;
    while (rc == 0 && (now = take(self))) {
        if (!self->world)
            rc = make_world(self->matrix, &self->world, err);
        if (rc < 0)
            break;
        run_case(self->world, now);
        world_forget(self->world);
        rc = kst_fiber_check(err);
        if (rc < 0)
            break;
        if (!now->passed)
            printf("FAIL  %s\n      %s\n", now->name, now->why);
        if (!now->passed || self->matrix->only)
            keep_log(self->matrix, self->world, now);
        fflush(stdout);
        if (!now->passed) { /* the next one begins in an unspoilt one */
            world_free(self->world);
            self->world = NULL;
        }
    }
    kst_shield_begin();
    world_free(self->world);
    kst_shield_end();
    self->world = NULL;
    return rc;
}

static int work_all(struct matrix *self, struct kst_err **err)
{
    struct worker workers[WORLDS + PATIENT_WORLDS] = {0};
    struct kst_group *group = kst_group_new(self->loop, true);
    for (int i = 0; i < WORLDS + (is_small(self) ? FEW_WORLDS : PATIENT_WORLDS); i++) {
        workers[i] = (struct worker){.matrix = self, .patient = i >= WORLDS};
        kst_group_spawn(group, "worker", work, &workers[i]);
    }
    int rc = kst_group_wait(group, err);
    kst_group_free(group);
    return rc;
}

/* A run to which `blow` is done (nothing, where it is NULL): what its last engine asks for. */
static int look_at(struct world *world, enum setting setting, const struct blow *blow,
                   struct kst_json **order, struct kst_json **phases, int64_t *took_ms,
                   struct kst_err **err)
{
    struct crash_case now = {
        .name = (char *)"reference", .setting = setting, .nblows = blow ? 1 : 0};
    if (blow)
        now.blows[0] = *blow;
    run_case(world, &now);
    if (took_ms)
        *took_ms = now.took_ms;
    if (now.passed && order)
        *order = kst_json_dup(world->order);
    if (now.passed && phases)
        *phases = kst_json_dup(world->phases);
    int rc = now.passed ? 0
                        : kst_err_set(err, KST_E_FAILED, "a run to which %s was done: %s",
                                      blow ? deed_name(blow) : "nothing", now.why);
    if (rc < 0) {
        kst_auto_free char *log = kst_asprintf("%s/engine.log", world->dir);
        kst_auto_buf text = KST_BUF_INIT(LOG_BYTES);
        kst_buf_read_file(&text, log, NULL);
        fputs(text.data, stdout);
    }
    free(now.why);
    return rc;
}

static int look(struct matrix *self, struct kst_err **err)
{
    static const char *const inside[SETTINGS] = {
        [SETTING_PLAIN] = "create volumesnapshots",
        [SETTING_GROUP] = "create volumegroupsnapshots",
        [SETTING_RESTORE] = "create persistentvolumeclaims",
        [SETTING_COPY] = "create persistentvolumeclaims"};
    struct world *world = NULL;
    int rc = make_world(self, &world, err);
    if (rc == 0)
        rc = look_at(world, SETTING_PLAIN, NULL, NULL, NULL, NULL, err); /* finds everything cold */
    for (int i = 0; rc == 0 && i < SETTINGS; i++) {
        struct reference *of = &self->references[i];
        if (is_small(self) && i == SETTING_SLOW)
            continue; /* none of its cases is in a sample: choose() */
        of->setting = (enum setting)i;
        of->inside = (struct blow){.deed = DEED_KILL_ACTED, .what = (char *)inside[i], .nth = 1};
        rc = look_at(world, of->setting, NULL, &of->order, &of->phases, &of->took_ms, err);
        if (rc == 0 && inside[i])
            rc = look_at(world, of->setting, &of->inside, &of->recovery, NULL, NULL, err);
    }
    kst_shield_begin();
    world_free(world);
    kst_shield_end();
    if (rc == 0)
        cases_make(&self->cases, self->references);
    return rc;
}

/* Whether a name holds one of the texts, between which '|' stands. */
static bool fits(const char *name, const char *texts)
{
    struct kst_str rest = kst_str_of(texts), text;
    while (kst_str_split(&rest, '|', &text))
        if (memmem(name, strlen(name), text.data, text.len))
            return true;
    return false;
}

/* Leaves the cases that are not asked for out. */
static size_t choose(struct matrix *self)
{
    struct cases *cases = &self->cases;
    size_t wanted = 0, seen = 0;
    for (size_t i = 0; i < cases->count; i++) {
        struct crash_case *now = &cases->list[i];
        const struct blow *first = &now->blows[0];
        bool waits_long = first->deed == DEED_STALL || now->setting == SETTING_SLOW ||
                          (first->deed == DEED_FAULT && first->fault == KST_FAULT_HANG);
        now->done = ((self->only && !fits(now->name, self->only)) || (now->rest && !self->all)) ||
                    (is_small(self) && waits_long);
        wanted += !now->done;
    }
    size_t sample = self->sample > 0 ? (size_t)self->sample : wanted;
    for (size_t i = 0; i < cases->count; i++) {
        struct crash_case *now = &cases->list[i];
        if (now->done)
            continue;
        /* The n-th of `wanted` is taken where n * sample / wanted grows. */
        now->done = sample < wanted && (seen + 1) * sample / wanted == seen * sample / wanted;
        seen++;
        /* By the name: another part may know a request more, or less. */
        if (kst_hash(now->name, strlen(now->name)) % (uint64_t)self->parts !=
            (uint64_t)self->part - 1)
            now->done = true;
    }
    return wanted;
}

static void report(struct matrix *self, int64_t took_ms)
{
    const struct reference *plain = &self->references[SETTING_PLAIN];
    size_t passed = 0, failed = 0, again = 0, kills = 0;
    int64_t longest_ms = 0;
    for (size_t i = 0; i < self->cases.count; i++) {
        const struct crash_case *now = &self->cases.list[i];
        if (!now->starts)
            continue;
        passed += now->passed;
        failed += !now->passed;
        again += now->starts > 1;
        kills += now->blows[0].deed != DEED_FAULT && now->blows[0].deed != DEED_OUTAGE;
        longest_ms = now->took_ms > longest_ms ? now->took_ms : longest_ms;
    }
    printf("%zu requests of a backup (%lld ms), %zu of a recovery; %zu cases: %zu kills, %zu "
           "faults;\n%zu runs were taken up by another engine; %.1f s, the longest case %.1f s\n",
           kst_json_len(plain->order), (long long)plain->took_ms, kst_json_len(plain->recovery),
           passed + failed, kills, passed + failed - kills, again, (double)took_ms / 1000,
           (double)longest_ms / 1000);
    printf("%zu passed, %zu failed\n", passed, failed);
    self->reported = true;
}

static void on_signal(void *arg, int signal)
{
    kst_fiber_cancel(arg);
}

static int try_all(void *arg, struct kst_err **err)
{
    struct matrix *self = arg;
    int64_t start_ms = kst_now_ms();
    int rc = kst_loop_on_signal(self->loop, SIGINT, on_signal, kst_fiber_self(), err);
    if (rc == 0)
        rc = kst_loop_on_signal(self->loop, SIGTERM, on_signal, kst_fiber_self(), err);
    if (rc == 0)
        rc = look(self, err);
    if (rc < 0)
        return rc;
    if (choose(self) == 0)
        return kst_err_set(err, KST_E_USAGE, "no case is named so: --list tells their names");
    for (size_t i = 0; self->list && i < self->cases.count; i++)
        if (!self->cases.list[i].done)
            printf("%s\n", self->cases.list[i].name);
    if (self->list)
        return 0;
    rc = work_all(self, err);
    report(self, kst_now_ms() - start_ms);
    for (size_t i = 0; rc == 0 && i < self->cases.count; i++)
        if (self->cases.list[i].starts && !self->cases.list[i].passed)
            rc = kst_err_set(err, KST_E_FAILED, "there are failures");
    return rc;
}

/* "K/N" */
static bool parse_part(struct matrix *self, char *text)
{
    char *slash = strchr(text, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return kst_parse_int(text, &self->part) && kst_parse_int(slash + 1, &self->parts) &&
           self->part >= 1 && self->part <= self->parts;
}

static bool parse(struct matrix *self, int argc, char **argv)
{
    static const struct option options[] = {{"sample", required_argument, NULL, 's'},
                                            {"only", required_argument, NULL, 'o'},
                                            {"logs", required_argument, NULL, 'd'},
                                            {"part", required_argument, NULL, 'p'},
                                            {"list", no_argument, NULL, 'l'},
                                            {"all", no_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o')
            self->only = *optarg ? optarg : NULL;
        else if (option == 'd')
            self->logs = optarg;
        else if (option == 'l')
            self->list = true;
        else if (option == 'a')
            self->all = true;
        else if (option == 'p') {
            if (!parse_part(self, optarg))
                return false;
        } else if (option != 's' || !kst_parse_int(optarg, &self->sample))
            return false;
    }
    return argc - optind == 2 && realpath(argv[optind], self->program) &&
           realpath(argv[optind + 1], self->database);
}

int main(int argc, char **argv)
{
    struct matrix matrix = {.logs = "build", .part = 1, .parts = 1};
    kst_auto_err struct kst_err *err = NULL;
    char template[] = "/tmp/kassette-crash-XXXXXX";
    if (!parse(&matrix, argc, argv)) {
        fprintf(stderr, "usage: crash [--all] [--sample N] [--only TEXT] [--part K/N] [--list] "
                        "[--logs DIR] ENGINE DATABASE\n");
        return 2;
    }
    kst_log_setup(KST_LOG_ERROR, KST_LOG_PLAIN);
    int rc = mkdtemp(template) ? kst_loop_new(&matrix.loop, &err)
                               : kst_err_set(&err, KST_E_IO, "%s: %s", template, strerror(errno));
    matrix.dir = template;
    chmod(template, 0755);
    if (rc == 0)
        rc = kst_loop_run(matrix.loop, "matrix", try_all, &matrix, &err);
    if (rc < 0)
        fprintf(stderr, "crash: %s\n", kst_err_message(err));
    if (rc < 0 && !matrix.reported)
        printf("0 passed, 1 failed\n");
    kst_storage_remove(template, NULL);
    cases_free(&matrix.cases);
    for (int i = 0; i < SETTINGS; i++) {
        kst_json_free(matrix.references[i].order);
        kst_json_free(matrix.references[i].recovery);
        kst_json_free(matrix.references[i].phases);
    }
    if (matrix.loop)
        kst_loop_free(matrix.loop);
    return rc < 0 ? 1 : 0;
}
