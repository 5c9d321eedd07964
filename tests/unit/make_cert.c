/* SPDX-License-Identifier: Apache-2.0 */
#include "make_cert.h"

#include <stdlib.h>

#include "base/mem.h"
#include "kube/cert.h"

void make_cert(long seconds, char **cert_pem, char **key_pem)
{
    make_cert_named("test", seconds, cert_pem, key_pem);
}

void make_cert_named(const char *common_name, long seconds, char **cert_pem, char **key_pem)
{
    enum { DAY_S = 86400 };
    kst_auto_free char *names = kst_asprintf("DNS:%s", common_name);
    if (kst_cert_make(common_name, names, seconds - DAY_S, seconds, cert_pem, key_pem, NULL) < 0)
        abort();
}
