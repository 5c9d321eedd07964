/* SPDX-License-Identifier: Apache-2.0 */
/* How an exec begins and ends: the choice of its protocol, and the Status of its command. */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/mem.h"
#include "sandbox/server/remote.h"

enum { MESSAGE_BYTES = 64 * 1024, KEY_BYTES = 16, OFFER_BYTES = 256 };

static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */

#define V4 "v4.channel.k8s.io"
#define V5 "v5.channel.k8s.io"

/* ---- The beginning ---- */

static int refuse(const char *offered, const char *accepted, struct kst_err **err)
{
    kst_auto_buf list = KST_BUF_INIT(OFFER_BYTES);
    struct kst_str rest = kst_str_of(offered), part;
    while (kst_str_split(&rest, ',', &part)) {
        part = kst_str_trim(part);
        kst_buf_addf(&list, "%s%.*s", list.len ? " " : "", (int)part.len, part.data);
    }
    return kst_err_set(err, KST_E_FORBIDDEN,
                       "unable to upgrade: unable to negotiate protocol: client supports [%s], "
                       "server accepts [%s]",
                       list.data, accepted);
}

static int choose_websocket(const char *key, const char *version, const char *protocols,
                            struct kst_remote_handshake *out, struct kst_err **err)
{
    if (!version || strcmp(version, "13") != 0)
        return kst_err_set(err, KST_E_INVALID, "missing or bad WebSocket Version");
    kst_auto_buf nonce = KST_BUF_INIT(KEY_BYTES), accept = KST_BUF_INIT(sizeof(out->accept) - 1);
    if (!key || kst_base64_decode(&nonce, kst_str_of(key), false) < 0 || nonce.len != KEY_BYTES)
        return kst_err_set(err, KST_E_INVALID, "mismatch challenge/response");
    struct kst_str rest = kst_str_of(protocols), part;
    const char *chosen = NULL;
    while (!chosen && kst_str_split(&rest, ',', &part)) {
        part = kst_str_trim(part);
        chosen = kst_str_eq(part, V5) ? V5 : kst_str_eq(part, V4) ? V4 : NULL;
    }
    if (!chosen)
        return refuse(protocols, V5 " " V4, err);
    kst_auto_free char *text = kst_asprintf("%s%s", key, magic);
    unsigned char digest[KST_SHA1_BYTES];
    kst_hash_sha1(text, strlen(text), digest);
    kst_base64_encode(&accept, digest, sizeof(digest));
    *out = (struct kst_remote_handshake){.protocol = chosen[1] == '5' ? KST_REMOTE_WS_V5
                                                                      : KST_REMOTE_WS_V4,
                                         .upgrade = "websocket",
                                         .subprotocol = chosen};
    memcpy(out->accept, accept.data, accept.len + 1);
    return 0;
}

static int choose_spdy(const char *protocols, struct kst_remote_handshake *out,
                       struct kst_err **err)
{
    struct kst_str rest = kst_str_of(protocols), part;
    if (kst_str_trim(rest).len == 0)
        return kst_err_set(err, KST_E_INVALID,
                           "unable to upgrade: X-Stream-Protocol-Version is required");
    while (kst_str_split(&rest, ',', &part)) {
        if (!kst_str_eq(kst_str_trim(part), V4))
            continue;
        *out = (struct kst_remote_handshake){
            .protocol = KST_REMOTE_SPDY_V4, .upgrade = "SPDY/3.1", .subprotocol = V4};
        return 0;
    }
    return refuse(protocols, V4, err);
}

int kst_remote_choose(const char *upgrade, const char *ws_key, const char *ws_version,
                      const char *ws_protocols, const char *spdy_protocols,
                      struct kst_remote_handshake *out, struct kst_err **err)
{
    if (upgrade && strcasecmp(upgrade, "websocket") == 0)
        return choose_websocket(ws_key, ws_version, ws_protocols, out, err);
    if (upgrade && strcasecmp(upgrade, "SPDY/3.1") == 0)
        return choose_spdy(spdy_protocols, out, err);
    return kst_err_set(err, KST_E_INVALID, "Upgrade request required");
}

/* ---- The end ---- */

/* What is not UTF-8 becomes U+FFFD, as in Go's encoding/json. The caller frees it. */
static char *clean(const char *text)
{
    struct kst_buf out = KST_BUF_INIT(MESSAGE_BYTES);
    for (const char *end = text + strlen(text); text < end;) {
        size_t len = kst_json_utf8(text, end);
        kst_buf_add(&out, len ? text : "\xef\xbf\xbd", len ? len : 3);
        text += len ? len : 1;
    }
    return kst_buf_take(&out);
}

static struct kst_json *failed(int exit_code, const char *how)
{
    kst_auto_free char *code = kst_asprintf("%d", exit_code);
    kst_auto_free char *why = clean(how);
    kst_auto_free char *message = kst_asprintf("command terminated with non-zero exit code: %s",
                                               why);
    return kst_json_make("{'metadata':{},'status':'Failure','message':%s,"
                         "'reason':'NonZeroExitCode',"
                         "'details':{'causes':[{'reason':'ExitCode','message':%s}]}}",
                         message, code);
}

struct kst_json *kst_remote_status(int exit_code, const char *failure)
{
    if (failure) {
        kst_auto_free char *why = clean(failure);
        kst_auto_free char *cause = kst_asprintf("error executing command in container: %s", why);
        kst_auto_free char *message = kst_asprintf("Internal error occurred: %s", cause);
        return kst_json_make("{'metadata':{},'status':'Failure','message':%s,"
                             "'reason':'InternalError','details':{'causes':[{'message':%s}]},"
                             "'code':500}",
                             message, cause);
    }
    if (exit_code == 0)
        return kst_json_make("{'metadata':{},'status':'Success'}");
    kst_auto_free char *how = kst_asprintf("exit code %d", exit_code);
    return failed(exit_code, how);
}

struct kst_json *kst_remote_exit_status(int exit_code, const char *const *command)
{
    if (exit_code == 0)
        return kst_remote_status(0, NULL);
    kst_auto_buf how = KST_BUF_INIT(MESSAGE_BYTES);
    kst_buf_adds(&how, "error executing command [");
    for (size_t i = 0; command[i]; i++)
        kst_buf_addf(&how, "%s%s", i ? " " : "", command[i]);
    kst_buf_addf(&how, "], exit code %d", exit_code);
    return failed(exit_code, how.data);
}
