/* SPDX-License-Identifier: Apache-2.0 */
/* A run in the embedded cluster of a test without the machine around it: a Run object whose journal
 * can be written and read again, and a client that can die before any of its writes. */
#ifndef KST_TESTS_UNIT_RUN_FIXTURE_H
#define KST_TESTS_UNIT_RUN_FIXTURE_H

#include "cluster_fixture.h"
#include "run/run.h"

struct kst_kube_config;

struct run_fixture {
    struct kst_run run;
    struct cluster *cluster;
    struct kst_kube_config *config;
    struct kst_kube *outer;
    int writes_left;                     /* negative: any number */
    size_t warnings, volumes, workloads; /* notes of these */
};

/* Makes Run/kassette/NAME about the namespace "default" and opens it; asserts. */
void run_open(struct run_fixture *self, struct cluster *cluster, const char *name);
/* Deletes it, and frees. */
void run_close(struct run_fixture *self);
/* status.restore, made where it is absent; borrowed until run_succeed(). */
struct kst_json *run_restore(struct run_fixture *self);
/* Row `index` of a list of status.restore; borrowed as above. */
struct kst_json *run_row(struct run_fixture *self, const char *list, size_t index);

/* The engine dies before its next write but `writes`: that one fails, and all after it. */
void run_die_after(struct run_fixture *self, int writes);
/* Its successor: knows what is in the cluster and in the journal, and no more. */
void run_succeed(struct run_fixture *self);

#endif
