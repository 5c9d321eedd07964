/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a blueprint, a module and a test: the lint looks at it without falling, and parses
 * whatever Lua itself would load. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t len;
};

/* One for all inputs: what it knows of blueprints does not change. */
static struct kst_loop *loop;
static struct kst_lint *lint;

/* The parser has its own limit of depth, which alone may keep it from what Lua loads. */
static void check(const struct kst_json *row)
{
    const char *rule = kst_json_path_str(row, "rule"), *message = kst_json_path_str(row, "message");
    if (!rule || !message || !*message || kst_json_path_int(row, "line", 0) < 1 ||
        kst_json_path_int(row, "column", 0) < 1)
        abort();
    if (strcmp(rule, "not-understood") == 0 && !strstr(message, "nested too deeply") &&
        !strstr(message, "not written as a table"))
        abort();
}

static int start(void *arg, struct kst_err **err)
{
    return kst_lint_new(kst_fiber_loop(), &lint, err);
}

static int look(void *arg, struct kst_err **err)
{
    const struct input *input = arg;
    kst_auto_json struct kst_json *findings = NULL;
    for (enum kst_lint_role role = KST_LINT_BLUEPRINT; role <= KST_LINT_TEST; role++) {
        const struct kst_lint_file file = {.role = role,
                                           .name = "x/blueprint.lua",
                                           .path = "x/blueprint.lua",
                                           .text = input->text,
                                           .len = input->len};
        kst_lint_text(lint, &file);
    }
    kst_lint_end(lint, &findings);
    for (const struct kst_json *row = kst_json_first(findings); row; row = kst_json_next(row))
        check(row);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {(const char *)data, size};
    if (!loop &&
        (kst_loop_new(&loop, NULL) < 0 || kst_loop_run(loop, "lint", start, NULL, NULL) < 0))
        abort();
    kst_loop_run(loop, "fuzz", look, &input, NULL);
    return 0;
}
