/* SPDX-License-Identifier: Apache-2.0 */
/* What controllers have said of an object, as `kubectl describe` shows it. */
#ifndef KST_APP_RESTORE_EVENTS_H
#define KST_APP_RESTORE_EVENTS_H

#include <stdbool.h>

struct kst_json;
struct kst_run;

/* The last Event about an object of run->app_ns (by its kind, name and uid) as "Reason: message";
 * where there are warnings, the last of them. With `warnings`, no other Events count. NULL where
 * there is none, or none may be read. The caller frees it. Yields. */
char *kst_events_last(struct kst_run *run, const struct kst_json *object, bool warnings);

#endif
