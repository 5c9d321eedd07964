/* SPDX-License-Identifier: Apache-2.0 */
#include "run/owner.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/resource.h"

/* One line of a small file, without white space at its ends; "" where it cannot be read. */
static char *read_line(const char *path)
{
    kst_auto_buf text = KST_BUF_INIT(4096);
    if (kst_buf_read_file(&text, path, NULL) < 0)
        return kst_strdup("");
    struct kst_str line = kst_str_trim(kst_str_buf(&text));
    return kst_strndup(line.data, line.len);
}

/* Field 22 of /proc/PID/stat, the start time in ticks after boot; it tells two processes apart that
 * had the same number. The second field, the name in parentheses, may hold spaces. NULL where the
 * process has ended, though its parent may not have asked for its status yet. */
static char *start_time(long long pid)
{
    kst_auto_free char *path = kst_asprintf("/proc/%lld/stat", pid);
    kst_auto_buf text = KST_BUF_INIT(4096);
    if (kst_buf_read_file(&text, path, NULL) < 0)
        return NULL;
    const char *after = strrchr(text.data, ')');
    if (!after || !after[1])
        return NULL;
    struct kst_str rest = kst_str_of(after + 2), part;
    if (*rest.data == 'Z' || *rest.data == 'X')
        return NULL;
    for (int field = 3; kst_str_split(&rest, ' ', &part); field++) {
        if (field == 22)
            return kst_strndup(part.data, part.len);
    }
    return NULL;
}

char *kst_owner_identity(void)
{
    const char *ns = getenv("KASSETTE_POD_NAMESPACE");
    const char *pod = getenv("KASSETTE_POD_NAME");
    const char *uid = getenv("KASSETTE_POD_UID");
    if (ns && pod && uid && *ns && *pod && *uid)
        return kst_asprintf("pod/%s/%s/%s", ns, pod, uid);
    char host[256] = "localhost";
    gethostname(host, sizeof(host) - 1);
    kst_auto_free char *boot = read_line("/proc/sys/kernel/random/boot_id");
    kst_auto_free char *start = start_time(getpid());
    return kst_asprintf("host/%s/%s/%d/%s", host, boot, getpid(), start ? start : "0");
}

/* Splits "a/b/c/d" into at most `max` parts. */
static size_t parts_of(const char *identity, struct kst_str *parts, size_t max)
{
    struct kst_str rest = kst_str_of(identity);
    size_t count = 0;
    while (count < max && kst_str_split(&rest, '/', &parts[count]))
        count++;
    return count;
}

static bool process_is_dead(const struct kst_str *parts)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    kst_auto_free char *boot = read_line("/proc/sys/kernel/random/boot_id");
    kst_auto_free char *pid_text = kst_strndup(parts[3].data, parts[3].len);
    long long pid = 0;
    if (!kst_str_eq(parts[1], host) || !*boot || !kst_parse_int(pid_text, &pid))
        return false;
    if (!kst_str_eq(parts[2], boot))
        return true; /* this machine was started anew since */
    kst_auto_free char *start = start_time(pid);
    return !start || !kst_str_eq(parts[4], start);
}

static bool pod_is_dead(struct kst_kube *kube, const struct kst_str *parts)
{
    kst_auto_free char *ns = kst_strndup(parts[1].data, parts[1].len);
    kst_auto_free char *name = kst_strndup(parts[2].data, parts[2].len);
    kst_auto_json struct kst_json *pod = NULL;
    int rc = kst_kube_get(kube, &kst_res_pods, ns, name, &pod, NULL);
    if (rc == KST_E_NOT_FOUND)
        return true;
    if (rc < 0)
        return false;
    const char *uid = kst_json_path_str(pod, "metadata.uid");
    const char *phase = kst_json_path_str(pod, "status.phase");
    if (uid && !kst_str_eq(parts[3], uid))
        return true;
    return phase && (strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0);
}

bool kst_owner_is_dead(void *kube, const char *identity)
{
    struct kst_str parts[6];
    size_t count = parts_of(identity, parts, KST_ARRAY_LEN(parts));
    if (count == 4 && kst_str_eq(parts[0], "pod"))
        return pod_is_dead(kube, parts);
    if (count == 5 && kst_str_eq(parts[0], "host"))
        return process_is_dead(parts);
    return false;
}

char *kst_owner_describe(const char *identity)
{
    struct kst_str parts[6];
    size_t count = parts_of(identity ? identity : "", parts, KST_ARRAY_LEN(parts));
    if (count == 4 && kst_str_eq(parts[0], "pod"))
        return kst_asprintf("Pod %.*s/%.*s", (int)parts[1].len, parts[1].data, (int)parts[2].len,
                            parts[2].data);
    if (count == 5 && kst_str_eq(parts[0], "host"))
        return kst_asprintf("process %.*s on host %.*s", (int)parts[3].len, parts[3].data,
                            (int)parts[1].len, parts[1].data);
    return kst_asprintf("'%s'", identity ? identity : "");
}
