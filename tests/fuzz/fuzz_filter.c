/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a pattern says, it is refused in order, or it is asked about an object: what it includes
 * is what it excludes. */
#include <stdint.h>
#include <stdlib.h>

#include "app/capture/filter.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/resource.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct kst_filter *in, const struct kst_filter *out)
{
    static const struct kst_kube_resource secrets = {
        .group = "", .kind = "Secret", .plural = "secrets"};
    kst_auto_json struct kst_json *object = kst_json_make(
        "{'metadata':{'name':'db-credentials','labels':{'app':'db','tier':'x'}}}");
    bool included = false, taken = false;
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_filter_takes(in, &secrets, object, &included, NULL, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0 && rc != KST_E_LIMIT))
        abort();
    if (rc < 0 || kst_filter_takes(out, &secrets, object, &taken, NULL, NULL) < 0)
        return;
    if (included == taken || (included && !kst_filter_takes_kind(in, &secrets)))
        abort();
    kst_auto_json struct kst_json *unused = kst_filter_unused(in);
    if (kst_json_len(unused) != (included ? 0 : 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kst_auto_json struct kst_json *list = kst_json_array();
    kst_auto_err struct kst_err *err = NULL;
    struct kst_filter *in = NULL, *out = NULL;
    kst_json_push(list, kst_json_from_strn((const char *)data, size));
    int rc = kst_filter_new(list, NULL, &in, &err);
    if ((rc < 0) != (err != NULL) || (rc < 0 && rc != KST_E_USAGE))
        abort();
    if (rc == 0 && kst_filter_new(NULL, list, &out, NULL) == 0)
        ask(in, out);
    kst_filter_free(in);
    kst_filter_free(out);
    return 0;
}
