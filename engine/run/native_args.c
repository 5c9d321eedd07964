/* SPDX-License-Identifier: Apache-2.0 */
#include "run/native_args.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "loop/fiber.h"
#include "run/journal.h"
#include "run/run.h"

struct kst_binding *kst_native_binding(struct kst_run *run, const struct kst_json *args)
{
    int64_t index = kst_json_path_int(args, "binding", -1);
    if (index < 0)
        return NULL;
    assert((size_t)index < run->nbindings);
    return &run->bindings[index];
}

int kst_native_namespace(const struct kst_run *run, const struct kst_json *args, const char **ns,
                         struct kst_err **err)
{
    const char *asked = kst_json_path_str(args, "namespace");
    if (!asked || strcmp(asked, run->app_ns) == 0) {
        *ns = run->app_ns;
        return 0;
    }
    bool allowed = strcmp(asked, run->home) == 0;
    const struct kst_json *list = kst_json_get(kst_journal_spec(run->journal), "allowedNamespaces");
    for (const struct kst_json *entry = kst_json_first(list); entry; entry = kst_json_next(entry))
        allowed = allowed || (kst_json_str(entry) && strcmp(kst_json_str(entry), asked) == 0);
    if (!allowed) {
        kst_err_set(err, KST_E_REFUSED,
                    "the blueprint asks for namespace %s, but the run is for %s", asked,
                    run->app_ns);
        kst_err_hint(err, "allow it with spec.allowedNamespaces of the Run");
        return KST_E_REFUSED;
    }
    *ns = asked;
    return 0;
}

int kst_native_str(const struct kst_json *args, const char *function, const char *field,
                   const char **out, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(args, field);
    if (!kst_json_str(value) || !*kst_json_str(value))
        return kst_err_set(err, KST_E_USAGE, "run:%s: expected %s = \"…\", found %s", function,
                           field, kst_json_type_name(kst_json_type(value)));
    *out = kst_json_str(value);
    return 0;
}

static bool seconds_of(const struct kst_json *value, int64_t *ms)
{
    const char *text = kst_json_number(value);
    if (!text)
        return false;
    double seconds = strtod(text, NULL);
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e9)
        return false;
    *ms = (int64_t)(seconds * 1000);
    return true;
}

int kst_native_duration(const struct kst_json *args, const char *function, const char *field,
                        int64_t fallback_ms, int64_t *ms, struct kst_err **err)
{
    const struct kst_json *value = kst_json_get(args, field);
    long long parsed = 0;
    if (!value || kst_json_type(value) == KST_JSON_NULL) {
        *ms = fallback_ms;
    } else if (kst_json_str(value) && kst_parse_duration_ms(kst_json_str(value), &parsed)) {
        *ms = parsed;
    } else if (!seconds_of(value, ms)) {
        kst_auto_free char *found = kst_json_text(value);
        return kst_err_set(err, KST_E_USAGE,
                           "run:%s: expected %s to be a duration such as \"2s\" or a number of "
                           "seconds, found %s",
                           function, field, found);
    }
    return 0;
}

int kst_native_argv(const struct kst_json *args, const char *function, const char *field,
                    const char ***argv, struct kst_err **err)
{
    const struct kst_json *list = kst_json_get(args, field);
    size_t count = kst_json_type(list) == KST_JSON_ARRAY ? kst_json_len(list) : 0;
    if (count == 0)
        return kst_err_set(err, KST_E_USAGE,
                           "run:%s: expected %s to be a list of strings, found %s", function, field,
                           kst_json_type_name(kst_json_type(list)));
    kst_auto_free const char **out = kst_calloc(count + 1, sizeof(*out));
    size_t i = 0;
    for (const struct kst_json *entry = kst_json_first(list); entry; entry = kst_json_next(entry)) {
        /* Numbers are what people mean by them on a command line. */
        const char *text = kst_json_str(entry) ? kst_json_str(entry) : kst_json_number(entry);
        if (!text)
            return kst_err_set(err, KST_E_USAGE, "run:%s: entry %zu of %s is %s, not a string",
                               function, i + 1, field, kst_json_type_name(kst_json_type(entry)));
        out[i++] = text;
    }
    *argv = kst_take(out);
    return 0;
}

int64_t kst_native_deadline(int64_t ms)
{
    return ms > 0 ? kst_deadline_set(kst_deadline_in_ms(ms)) : kst_deadline_get();
}
