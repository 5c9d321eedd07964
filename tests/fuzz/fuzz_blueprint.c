/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a blueprint: it loads, or is refused with words; the interpreter's walls hold. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "loop/loop.h"
#include "lua/blueprint.h"
#include "lua/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const char *text;
    size_t len;
};

static int load(void *arg, struct kst_err **err)
{
    static const struct kst_lua_limits limits = {
        .memory_bytes = 8 * 1024 * 1024, .instructions = 200000, .stretch_ms = 200};
    const struct input *input = arg;
    struct kst_lua *lua = NULL;
    struct kst_blueprint *blueprint = NULL;
    kst_auto_err struct kst_err *cause = NULL;
    kst_auto_json struct kst_json *params = NULL;
    if (kst_lua_new(kst_fiber_loop(), &limits, &lua, NULL) < 0)
        abort();
    int rc = kst_blueprint_load(lua, "x/blueprint.lua", input->text, input->len, NULL, NULL,
                                &blueprint, &cause);
    if ((rc < 0) != (cause != NULL) || (rc < 0 && !*kst_err_message(cause)))
        abort();
    if (rc == 0)
        kst_blueprint_resolve_params(blueprint, NULL, &params, NULL);
    if (rc == 0 && !*kst_blueprint_name(blueprint))
        abort();
    kst_blueprint_free(blueprint);
    kst_lua_free(lua);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {(const char *)data, size};
    struct kst_loop *loop = NULL;
    if (kst_loop_new(&loop, NULL) < 0)
        abort();
    kst_loop_run(loop, "fuzz", load, &input, NULL);
    kst_loop_free(loop);
    return 0;
}
