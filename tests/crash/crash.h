/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crash matrix: an engine is killed, or hears of a failure, at every request of a backup or a
 * restore, and what becomes of the application is looked up in the application. See README.md.
 */
#ifndef KST_TESTS_CRASH_CRASH_H
#define KST_TESTS_CRASH_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "run/phase.h"
#include "sandbox/server/server.h"

struct kst_api;
struct kst_err;
struct kst_json;
struct kst_loop;
struct kst_sandbox;

/* What is done to the engine, and when. */
enum deed {
    DEED_NONE,
    DEED_KILL_ARRIVED,  /* the request has arrived, nothing was done */
    DEED_KILL_ACTED,    /* it was acted on, the engine has heard nothing */
    DEED_KILL_ANSWERED, /* the answer was written */
    DEED_KILL_STAGE,    /* at a place inside of a hook */
    DEED_KILL_TIME,     /* after so many milliseconds */
    DEED_FAULT,
    DEED_STALL,  /* it stands still from the request on, until its successor has frozen, or ended */
    DEED_OUTAGE, /* from the request on, every connection is reset for a while */
    DEED_CANCEL, /* spec.cancel is set before the request is answered */
    DEED_TERM,   /* SIGTERM */
};

/* What is tried, and on which storage. */
enum setting {
    SETTING_PLAIN,
    SETTING_SLOW,    /* snapshots are ready long after they were cut */
    SETTING_GROUP,   /* it cuts volumes together */
    SETTING_RESTORE, /* restored in place */
    SETTING_COPY,    /* restored beside the living original */
    SETTINGS,
};

struct blow {
    enum deed deed;
    enum kst_server_fault fault;
    char *what;    /* the request ("update runs/status crash"), or database and stage */
    unsigned nth;  /* the nth of such requests of an engine */
    int64_t at_ms; /* DEED_KILL_TIME */
};

enum { MAX_BLOWS = 2, STARTS = 6 };

struct crash_case {
    char *name;
    enum setting setting;
    /* The first strikes the first engine, the second its successor. */
    struct blow blows[MAX_BLOWS];
    size_t nblows;
    bool slow; /* it mostly waits */
    bool rest; /* another case is like it: tried with --all only */
    bool done, passed;
    unsigned starts; /* of engines */
    int64_t took_ms;
    char *why; /* it failed */
};

/* One cluster with the application in it. */
struct world {
    struct kst_loop *loop;
    const char *program, *database; /* the engine's and the database's, absolute paths */
    char *dir;
    struct kst_sandbox *sandbox;
    struct kst_api *api;

    /* The engine that runs, and what it has asked for. */
    pid_t pid;
    pid_t stalled;                            /* an engine that stands still, or 0 */
    unsigned starts;                          /* of engines, in this case */
    struct kst_json *counts, *order, *phases; /* phases: of the Run, by request */
    const struct crash_case *now;             /* NULL: nothing is done to it */
    bool struck[MAX_BLOWS];
    const struct kst_server_look *acting; /* the request after which the engine is killed */
    int64_t outage_until_ms;
    enum kst_phase struck_phase; /* the Run's, when it was cancelled */
    /* The restore point that restores begin with, NULL for none: what the application was
     * (world_facts()), and the uid of all that the point consists of. */
    struct kst_json *base_facts, *base_parts;
    bool basing; /* the engine makes that point */
    /* The application before the case: what its user has set, and uids. */
    struct kst_json *facts, *lives;
    struct kst_timer *kill_timer;
};

enum { DATABASES = 2, VOLUMES = 4 };
extern const char *const crash_databases[DATABASES];
#define CRASH_RUN  "crash"
#define CRASH_APP  "shop"
#define CRASH_HOME "kassette"
#define CRASH_BASE "base" /* the restore point */
#define CRASH_COPY "copy" /* the namespace of a copy */

/* world.c: a new cluster whose databases write, in the directory `dir` (made). Yields. */
int world_new(struct kst_loop *loop, const char *program, const char *database, const char *dir,
              struct world **out, struct kst_err **err);
/* Forgets the changes of earlier cases, which nobody watches any more: a driver that grows makes
 * each of the node's forks slower. */
void world_forget(struct world *self);
void world_free(struct world *self);
/* Removes what the case before has left, so that only the application is there, and sets the
 * storage up. Yields. */
int world_clean(struct world *self, enum setting setting, struct kst_err **err);
/* The directory in which a database and the test speak with each other; the caller frees. */
char *world_control(const struct world *self, const char *database, const char *file);
/* The Run, borrowed; NULL where there is none. */
const struct kst_json *world_run(const struct world *self);
/* The Secrets that hold captured objects, as an array; the caller frees it. */
struct kst_json *world_archive(const struct world *self);
/* How many objects a bucket has in a namespace ("": all). */
size_t world_count(const struct world *self, const char *bucket, const char *ns);

/* Whether it is a restore that is tried. */
bool setting_restores(enum setting setting);

/* restore.c */
#define MARKER "marker" /* a file in each volume, written after the backup */
/* What the user has set in the application as it is in a namespace: objects by "bucket name".
 * The caller frees it. */
struct kst_json *world_facts(const struct world *self, const char *ns);
/* The uids of the same objects, and of the volumes and Pods. */
struct kst_json *world_lives(const struct world *self, const char *ns);
/* The directory of a claim's volume; NULL where it is not bound. The caller frees it. */
char *world_volume(const struct world *self, const char *ns, const char *claim);
/* Whether an object belongs to the restore point, and is to be left where cases are cleaned up. */
bool world_is_base(const struct world *self, const char *bucket, const char *name);
/* Makes the restore point, by an engine to which nothing is done. Yields. */
int world_make_base(struct world *self, struct kst_err **err);
/* Removes the copy, and volumes that no claim has. Yields. */
int world_remove_copy(struct world *self, struct kst_err **err);
/* Marks the volumes, and changes what a restore in place is to set right. */
int world_change(struct world *self, enum setting setting, struct kst_err **err);
/* Forgets the restore point, which is removed with what is left of a run. */
void world_forget_base(struct world *self);

/* strike.c: what is done at which request. For kst_server_options; arg: the world. */
enum kst_server_fault strike_on_request(void *arg, const struct kst_server_look *look);
void strike_on_answer(void *arg, const struct kst_server_look *look, int code, double ms);
/* Before and after each engine. */
void strike_begin(struct world *self);
void strike_end(struct world *self);

enum { ENGINE_STALLED = 512 };
/* engine.c: starts an engine (`kassette run`, or `kassette backup` where there is no Run yet) and
 * yields until it ended, or was stalled. *status: its exit code, 128 + the signal's number, or
 * ENGINE_STALLED. */
int engine_run(struct world *self, int *status, struct kst_err **err);
/* Lets the engine that stands still go on, and yields until it ended, or for `ms`: KST_E_TIMEOUT.
 */
int engine_wake(struct world *self, int64_t ms, struct kst_err **err);

/* check.c: what must be true after a case. NULL, or why it is not (the caller frees). Yields. */
char *check_world(struct world *self, const struct crash_case *now);
/* The number in a file, -1 where there is none. */
int64_t check_number(const char *path);
/* Whether a database of a namespace accepts writes. Yields. */
char *check_writes(const struct world *self, const char *ns, const char *database);
/* Whether a bucket has so many objects in a namespace ("": in all). */
char *check_count(const struct world *self, const char *bucket, const char *ns, size_t expected);
/* check_restore.c: the same of a restore that has ended. Yields. */
char *check_restore(struct world *self, const struct crash_case *now);

/* cases.c */
struct cases {
    struct crash_case *list;
    size_t count, size;
};
/* What a run asks for to which nothing is done, in order ("verb resource name#n"), and the engine
 * that takes up a run whose first one was struck inside of the freeze. */
struct reference {
    enum setting setting;
    struct blow inside;
    struct kst_json *order, *recovery, *phases;
    int64_t took_ms;
};
/* Every case there is. Of other storage only what is new to a backup, of a copy what is new to a
 * restore in place. */
void cases_make(struct cases *self, const struct reference *references);
void cases_free(struct cases *self);
const char *deed_name(const struct blow *blow);

#endif
