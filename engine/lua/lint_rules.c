/* SPDX-License-Identifier: Apache-2.0 */
/* What a text tells when all of it is known: variables that nobody reads, hooks without their
 * counterpart, sessions that nobody ends. */
#include "base/mem.h"
#include "lua/lint_internal.h"

static void check_local(struct kst_lint_walk *self, const struct kst_local *local)
{
    bool counts = local->kind == KST_LOCAL_VARIABLE || local->kind == KST_LOCAL_FUNCTION;
    if (counts && !local->reads && !local->closes && local->name[0] != '_')
        kst_lint_tell(self, local->at, "?unused", "'%s' is %s\nremove it, or call it _%s",
                      local->name,
                      local->kind == KST_LOCAL_FUNCTION ? "never called"
                      : local->writes                   ? "set and never used"
                                                        : "never used",
                      local->name);
    else if (kst_lint_class(local->type) == self->session && local->value && !local->escapes &&
             !local->is_closed && local->kind == KST_LOCAL_VARIABLE)
        kst_lint_tell(self, local->at, "?unclosed-session",
                      "the session '%s' is never closed\nwrite %s:close(), or keep it in "
                      "run.frozen for the post_hook",
                      local->name, local->name);
}

static void check_frozen(struct kst_lint_walk *self)
{
    for (const struct kst_field *field = self->frozen->fields; field; field = field->next) {
        if (kst_lint_class(field->type) == self->session && !field->reads)
            kst_lint_tell(self, field->at, "unclosed-session",
                          "nothing reads the session run.frozen.%s\npost_hook should undo what "
                          "it holds, and close it",
                          field->name);
    }
}

static void check_hooks(struct kst_lint_walk *self)
{
    int64_t pre = kst_json_path_int(self->given, "pre_hook", -1);
    int64_t post = kst_json_path_int(self->given, "post_hook", -1);
    if (pre >= 0 && post < 0 && self->frozen->fields)
        kst_lint_tell(self, (size_t)pre, "missing-post-hook",
                      "pre_hook keeps something in run.frozen, and there is no post_hook\nwrite "
                      "one that takes it back; it runs always, once pre_hook was attempted");
    else if (pre >= 0 && post < 0)
        kst_lint_tell(self, (size_t)pre, "?missing-post-hook",
                      "there is a pre_hook and no post_hook\nwhere nothing is to be undone, "
                      "agree: -- lint: allow missing-post-hook");
    if (post >= 0 && pre < 0)
        kst_lint_tell(self, (size_t)post, "?missing-pre-hook",
                      "there is a post_hook and no pre_hook whose work it could undo");
}

void kst_lint_rules(struct kst_lint_walk *self)
{
    for (const struct kst_local *local = self->syntax.locals; local; local = local->next)
        check_local(self, local);
    if (self->file->role != KST_LINT_BLUEPRINT || !self->table)
        return;
    check_frozen(self);
    check_hooks(self);
}
