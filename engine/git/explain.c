/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, in plain words, from what libgit2 says. Its messages are the only place where
 * much of it is told; what is not recognised is passed on as it is. */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "git/session.h"
#include "git/walk.h"

struct rule {
    const char *needle; /* in the message, without regard to case */
    int code;
    const char *reason; /* NULL: of the code */
    const char *hint;   /* may be NULL */
};

static const struct rule certificate_rules[] = {
    {"expired", KST_E_UNREACHABLE, "CertificateExpired",
     "the server's certificate is no longer valid (or this machine's clock is wrong): its owner "
     "must renew it"},
    {"future", KST_E_UNREACHABLE, "CertificateNotYetValid",
     "the server's certificate is not valid yet: is this machine's clock right?"},
    {"Common Name", KST_E_UNREACHABLE, "CertificateName",
     "use the host name that the certificate is for; an IP address is not enough"},
    {"trusted CA", KST_E_UNREACHABLE, "CertificateUntrusted",
     "give the certificate of the authority that signed the server's as ca.crt of the source's "
     "credentials"},
    {"", KST_E_UNREACHABLE, "CertificateInvalid", NULL},
};

static const struct rule rules[] = {
    {"failed to resolve", KST_E_UNREACHABLE, NULL,
     "check the host's name in the URL, and that DNS works from here"},
    {"failed to connect", KST_E_UNREACHABLE, NULL,
     "check host and port in the URL, and that nothing in between refuses the connection"},
    {"connection refused", KST_E_UNREACHABLE, NULL, NULL},
    {"unexpected http status code: 401", KST_E_FORBIDDEN, NULL, "check the credentials"},
    {"unexpected http status code: 403", KST_E_FORBIDDEN, NULL,
     "the credentials are valid but may not read this repository"},
    {"unexpected http status code: 404", KST_E_NOT_FOUND, "RepositoryNotFound",
     "check the repository's path in the URL; many servers say the same where credentials are "
     "missing"},
    {"unexpected http status code: 410", KST_E_NOT_FOUND, "RepositoryNotFound", NULL},
    {"unexpected http status code: 5", KST_E_SERVER, NULL, "the server has a problem: try again"},
    {"cannot redirect", KST_E_INVALID, "Redirected",
     "use the URL that the server redirects to; credentials are not sent to another host"},
    {"content-type", KST_E_PROTOCOL, "NotGit",
     "the URL answers, but not as a Git repository does: check its path"},
    {"not exported", KST_E_NOT_FOUND, "RepositoryNotFound", "check the repository's path"},
    {"does not appear to be a git repository", KST_E_NOT_FOUND, "RepositoryNotFound",
     "check the repository's path"},
    {"could not find repository", KST_E_NOT_FOUND, "RepositoryNotFound",
     "check the repository's path"},
    {"repository not found", KST_E_NOT_FOUND, "RepositoryNotFound",
     "check the repository's path; many servers say the same where credentials are missing"},
    {"no such file", KST_E_NOT_FOUND, "RepositoryNotFound", "check the repository's path"},
    {"public key from private key", KST_E_FORBIDDEN, "KeyUnreadable",
     "the private key cannot be read: check that ssh-privatekey is whole and that "
     "ssh-passphrase is right"},
    {"private key unpack failed", KST_E_FORBIDDEN, "KeyUnreadable",
     "check that ssh-privatekey is whole and that ssh-passphrase is right"},
    {"passphrase", KST_E_FORBIDDEN, "KeyUnreadable", "check ssh-passphrase"},
    {"exchange encryption keys", KST_E_UNREACHABLE, "NoCommonAlgorithm",
     "server and client have no algorithm in common; an Ed25519 host key always works"},
    {"authenticat", KST_E_FORBIDDEN, NULL, "check the credentials"},
    {"permission denied", KST_E_FORBIDDEN, NULL, "check the credentials"},
    {"access denied", KST_E_FORBIDDEN, NULL, "check the credentials"},
    {"too many objects", KST_E_LIMIT, NULL, NULL},
    {"out of memory", KST_E_LIMIT, NULL, NULL},
    {"file too large", KST_E_LIMIT, NULL, NULL},
    {"failed to start ssh session", KST_E_UNREACHABLE, NULL,
     "is there an SSH server on that port?"},
    {"eof", KST_E_UNREACHABLE, NULL, "the server ended the connection: see its log"},
    {"reset by peer", KST_E_UNREACHABLE, NULL, NULL},
    {"closed", KST_E_UNREACHABLE, NULL, "the server ended the connection: see its log"},
};

static const struct rule *find_rule(const struct rule *table, size_t count, const char *message)
{
    for (size_t i = 0; i < count; i++) {
        if (strcasestr(message, table[i].needle))
            return &table[i];
    }
    return NULL;
}

/* One line without control characters, not too long, without a final full stop. */
static char *tidy(const char *message)
{
    kst_auto_free char *shown = kst_walk_shown(message);
    size_t len = strlen(shown);
    if (len > 400)
        len = 400;
    while (len && strchr(" ?.\n", shown[len - 1]))
        len--;
    return kst_strndup(shown, len);
}

int kst_git_explain(struct kst_git_session *self, int result, const char *doing,
                    struct kst_err **err)
{
    if (self->why)
        return kst_err_move(err, &self->why);
    const git_error *last = git_error_last();
    const char *message = last && last->message ? last->message : "no reason is known";
    const struct rule *rule = NULL;
    if (result == GIT_ECERTIFICATE || strstr(message, "SSL certificate is invalid"))
        rule = find_rule(certificate_rules, KST_ARRAY_LEN(certificate_rules), message);
    else
        rule = find_rule(rules, KST_ARRAY_LEN(rules), message);

    int code = rule ? rule->code : KST_E_FAILED;
    if (!rule && result == GIT_EAUTH)
        code = KST_E_FORBIDDEN;
    else if (!rule && result == GIT_EEOF)
        code = KST_E_UNREACHABLE;
    else if (!rule && last &&
             (last->klass == GIT_ERROR_NET || last->klass == GIT_ERROR_HTTP ||
              last->klass == GIT_ERROR_SSH || last->klass == GIT_ERROR_INDEXER))
        code = KST_E_PROTOCOL;
    else if (!rule && last && last->klass == GIT_ERROR_SSL)
        code = KST_E_UNREACHABLE;
    kst_auto_free char *text = tidy(message);
    kst_err_set(err, code, "Git source %s: cannot %s: %s", self->url.shown, doing, text);
    if (rule && rule->reason)
        kst_err_reason(err, rule->reason);
    if (rule && rule->hint)
        kst_err_hint(err, "%s", rule->hint);
    return code;
}
