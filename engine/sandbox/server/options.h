/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of requests, from their query and, of a deletion, their body: what they may be, and
 * the server's words where they may not. For the files of this room.
 */
#ifndef KST_SANDBOX_SERVER_OPTIONS_H
#define KST_SANDBOX_SERVER_OPTIONS_H

#include <stdbool.h>

#include "sandbox/api/api.h"

struct kst_ask;

/* Of a list: whether resourceVersion and resourceVersionMatch go together. NULL, or a Status. */
struct kst_json *kst_options_check_list(const struct kst_ask *ask);
/* Of a patch: what is for applying alone, or needed there. */
struct kst_json *kst_options_check_patch(const struct kst_ask *ask, enum kst_api_patch type);
/* The dryRun of a write: true in *dry_run. */
struct kst_json *kst_options_dry_run(const struct kst_ask *ask, bool *dry_run);
/* Of a deletion, from the body, else the query. *body keeps the texts; the caller frees it. */
struct kst_json *kst_options_delete(struct kst_ask *ask, struct kst_json **body,
                                    struct kst_api_delete *options, bool *dry_run);

#endif
