/* SPDX-License-Identifier: Apache-2.0 */
#include "app/actions.h"

#include <stddef.h>

#include "app/backup/backup.h"
#include "app/restore/restore.h"

const struct kst_action *const kst_actions[] = {
    &kst_action_backup,
    &kst_action_restore,
    &kst_action_custom,
    NULL,
};
