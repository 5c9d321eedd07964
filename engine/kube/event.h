/* SPDX-License-Identifier: Apache-2.0 */
/* Events (core/v1) about an object, as `kubectl describe` shows them. */
#ifndef KST_KUBE_EVENT_H
#define KST_KUBE_EVENT_H

struct kst_err;
struct kst_json;
struct kst_kube;

enum kst_event_type { KST_EVENT_NORMAL, KST_EVENT_WARNING };

/* Emits in the background, in a detached fiber (never fails the caller; what cannot be sent is
 * logged). Repeats of the same reason and message raise the count. `object` is borrowed for the
 * call. Text over 1 KiB is cut. */
void kst_event_emit(struct kst_kube *kube, const struct kst_json *object, enum kst_event_type type,
                    const char *reason, const char *message);
/* Yields until what is under way was sent, for at most 2 s: at the end of a run. */
void kst_event_flush(struct kst_kube *kube);

#endif
