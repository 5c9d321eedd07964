/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: the Run custom resource. Its status is the only memory of a run; what is in it is
 * what a successor knows. It is changed in memory and written as a whole, by one engine at a time
 * (the client's guard checks the lease), never inside the freeze (that asserts).
 */
#ifndef KST_RUN_JOURNAL_H
#define KST_RUN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

struct kst_err;
struct kst_journal;
struct kst_json;
struct kst_kube;

enum {
    KST_JOURNAL_MAX_BYTES = 1000 * 1000, /* etcd takes 1.5 MiB a request */
    KST_JOURNAL_MAX_RESULT_BYTES = 16 * 1024,
    KST_JOURNAL_MAX_STEPS = 2000,
};

/* Reads the Run. Yields. KST_E_NOT_FOUND, …, KST_E_INVALID where it is malformed. */
int kst_journal_open(struct kst_kube *kube, const char *ns, const char *name,
                     struct kst_journal **out, struct kst_err **err);
/* One that exists in memory only, for plans: it cannot be written. The object is copied. */
struct kst_journal *kst_journal_of(const struct kst_json *object);
void kst_journal_free(struct kst_journal *self);
/* Reads it again, dropping what was not written: after the lease was acquired. Yields. */
int kst_journal_reload(struct kst_journal *self, struct kst_err **err);

/* Borrowed; the status may be changed in place. */
const struct kst_json *kst_journal_object(const struct kst_journal *self);
const struct kst_json *kst_journal_spec(const struct kst_journal *self);
struct kst_json *kst_journal_status(struct kst_journal *self);

/* Writes the status. Where somebody else changed the object meanwhile (a cancel, an annotation),
 * takes over the new resourceVersion and spec and writes again: the status is ours alone. Retries
 * until the server is back, the fiber's deadline, or the lease is lost. Secrets that the log knows
 * are redacted. Yields. KST_E_LIMIT where the status grew beyond KST_JOURNAL_MAX_BYTES. */
int kst_journal_write(struct kst_journal *self, struct kst_err **err);
/* While forbidden (nested), a write asserts. */
void kst_journal_forbid(struct kst_journal *self, bool forbid);
bool kst_journal_is_forbidden(const struct kst_journal *self);

/* Sets a condition of metav1.Condition's form; lastTransitionTime changes with its status only. */
void kst_journal_condition(struct kst_journal *self, const char *type, bool status,
                           const char *reason, const char *message);
/* The same in any status. */
void kst_condition_set(struct kst_json *status, int64_t generation, const char *type, bool is,
                       const char *reason, const char *message);
/* Sets a member of the status to the present time (metav1.Time, or MicroTime with `micro`). */
void kst_journal_stamp(struct kst_json *object, const char *key, bool micro);

/* The row of a step: made where it is absent (state "Running"). NULL with KST_E_LIMIT beyond
 * KST_JOURNAL_MAX_STEPS. */
struct kst_json *kst_journal_step(struct kst_journal *self, const char *id, const char *kind,
                                  const char *target, struct kst_err **err);
/* The row, or NULL. */
const struct kst_json *kst_journal_find_step(const struct kst_journal *self, const char *id);

#endif
