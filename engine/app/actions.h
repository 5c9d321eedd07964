/* SPDX-License-Identifier: Apache-2.0 */
/* What a Run's spec.action may name. */
#ifndef KST_APP_ACTIONS_H
#define KST_APP_ACTIONS_H

struct kst_action;

/* For kst_run_options.actions: ended by NULL; the last one takes any name. */
extern const struct kst_action *const kst_actions[];

#endif
