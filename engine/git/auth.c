/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are, and whom we talk to: credentials, SSH host keys and certificates. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "git/knownhosts.h"
#include "git/session.h"
#include "git/walk.h"

enum { KNOWN_HOSTS_MAX = 8 << 20 };

static const char *home_dir(void)
{
    const char *home = getenv("HOME");
    struct passwd *user = home && *home ? NULL : getpwuid(getuid());
    return user ? user->pw_dir : home;
}

/* Without a known_hosts of the source's own, ssh's two files are what the user trusts. */
static char *machine_known_hosts(void)
{
    kst_auto_buf text = KST_BUF_INIT(KNOWN_HOSTS_MAX);
    kst_auto_free char *own = kst_asprintf("%s/.ssh/known_hosts", home_dir() ? home_dir() : "");
    const char *const files[] = {own, "/etc/ssh/ssh_known_hosts"};
    for (size_t i = 0; i < KST_ARRAY_LEN(files); i++) {
        kst_auto_buf one = KST_BUF_INIT(KNOWN_HOSTS_MAX / 2);
        /* A file that is missing or unreadable trusts nobody. */
        if (kst_buf_read_file(&one, files[i], NULL) == 0) {
            kst_buf_add(&text, one.data, one.len);
            kst_buf_addc(&text, '\n');
        }
    }
    return kst_buf_take(&text);
}

/* libgit2 takes certificates from a file: this one has no name. */
static int trust_ca(const char *ca, struct kst_err **err)
{
    char path[64];
    size_t len = strlen(ca);
    int fd = memfd_create("ca", MFD_CLOEXEC);
    if (fd < 0)
        return kst_err_set(err, KST_E_IO, "cannot hold the CA certificates: %m");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    bool written = write(fd, ca, len) == (ssize_t)len;
    if (!written || git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, path, NULL) < 0) {
        kst_err_set(err, KST_E_INVALID, "the CA certificates (ca.crt) cannot be read as PEM");
        kst_err_hint(err, "check them with: openssl x509 -in ca.crt -noout -text");
    }
    close(fd);
    return err && *err ? KST_E_INVALID : 0;
}

static void hide(const char *secret)
{
    if (secret)
        kst_log_secret(secret, strlen(secret));
}

int kst_git_session_init(struct kst_git_session *self, const struct kst_git_request *request,
                         struct kst_err **err)
{
    const struct kst_source_credentials *given = &request->credentials;
    *self = (struct kst_git_session){.request = request};
    int code = kst_git_url_parse(request->url, &self->url, err);
    if (code < 0)
        return code;
    bool from_url = self->url.username || self->url.password;
    self->password = given->password ? given->password : self->url.password;
    self->username = given->username ? given->username : self->url.username;
    /* https://TOKEN@host: the user's name is the secret. */
    bool http = self->url.transport == KST_GIT_HTTP || self->url.transport == KST_GIT_HTTPS;
    if (http && from_url && !self->password) {
        self->password = "";
        hide(self->username);
    }
    /* A token alone: servers take any user name with it. */
    if (http && self->password && !self->username)
        self->username = "git";
    hide(self->password);
    hide(given->ssh_passphrase);
    if (self->url.transport == KST_GIT_SSH)
        self->known_hosts = given->known_hosts ? kst_strdup(given->known_hosts)
                                               : machine_known_hosts();
    if (given->ca && self->url.transport == KST_GIT_HTTPS) {
        kst_auto_err struct kst_err *why = NULL;
        if (trust_ca(given->ca, &why) < 0)
            return kst_err_move(err, &why);
    }
    return 0;
}

void kst_git_session_release(struct kst_git_session *self)
{
    kst_git_url_release(&self->url);
    free(self->known_hosts);
    kst_err_clear(&self->why);
}

/* Keeps the first thing that a callback found wrong, and makes libgit2 stop. */
static int refuse(struct kst_git_session *self, struct kst_err *why)
{
    if (self->why)
        kst_err_free(why);
    else
        self->why = why;
    return GIT_EUSER;
}

static int deny(struct kst_git_session *self, const char *what, const char *hint)
{
    struct kst_err *why = NULL;
    kst_err_set(&why, KST_E_FORBIDDEN, "Git source %s: %s", self->url.shown, what);
    kst_err_hint(&why, "%s", hint);
    return refuse(self, why);
}

static int password_credential(struct kst_git_session *self, git_credential **out)
{
    if (!self->username && !self->password)
        return deny(self, "the server asks for a user name and password, and none was given",
                    "give a Secret of type kubernetes.io/basic-auth with username and password "
                    "(or token); some servers ask for a repository that does not exist, too: "
                    "check the URL");
    if (self->offered++)
        return deny(self, "the server refused the user name and password",
                    "check that the password or token is right, has not expired, and may read "
                    "this repository");
    return git_credential_userpass_plaintext_new(out, self->username,
                                                 self->password ? self->password : "");
}

static int key_credential(struct kst_git_session *self, git_credential **out, const char *user)
{
    const struct kst_source_credentials *given = &self->request->credentials;
    if (self->offered++)
        return deny(self, "the server refused the SSH key",
                    "check that its public half is registered with the server and may read this "
                    "repository; use an Ed25519 key: servers of today refuse what RSA keys can "
                    "sign here");
    if (given->ssh_key)
        return git_credential_ssh_key_memory_new(out, user, NULL, given->ssh_key,
                                                 given->ssh_passphrase);
    return git_credential_ssh_key_from_agent(out, user);
}

int kst_git_credentials(git_credential **out, const char *url, const char *user, unsigned allowed,
                        void *payload)
{
    struct kst_git_session *self = payload;
    const struct kst_source_credentials *given = &self->request->credentials;

    if (self->url.transport != KST_GIT_SSH) {
        if (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)
            return password_credential(self, out);
        return deny(self, "the server asks for a way of logging in that is not supported",
                    "use a server that takes a user name and password or token (HTTP Basic)");
    }
    if (!user)
        user = self->username ? self->username : "git";
    if (allowed & GIT_CREDENTIAL_USERNAME)
        return git_credential_username_new(out, user);
    const char *agent = getenv("SSH_AUTH_SOCK");
    bool has_key = given->ssh_key || (agent && *agent && !self->password);
    if (has_key && (allowed & GIT_CREDENTIAL_SSH_KEY))
        return key_credential(self, out, user);
    if (self->password && (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)) {
        if (self->offered++)
            return deny(self, "the server refused the password", "check user name and password");
        return git_credential_userpass_plaintext_new(out, user, self->password);
    }
    if (has_key || self->password)
        return deny(self, "the server does not take the credentials that were given",
                    "ask its owner whether it takes SSH keys or passwords");
    return deny(self, "the server asks for an SSH key, and none was given",
                "give a Secret of type kubernetes.io/ssh-auth with ssh-privatekey and "
                "known_hosts, or run an ssh-agent that has the key");
}

char *kst_git_fingerprint(const void *key, size_t len)
{
    unsigned char digest[KST_SHA256_BYTES];
    kst_auto_buf text = KST_BUF_INIT(128);
    kst_hash_sha256(key, len, digest);
    kst_buf_adds(&text, "SHA256:");
    kst_base64_encode(&text, digest, sizeof(digest));
    while (text.len && text.data[text.len - 1] == '=')
        kst_buf_truncate(&text, text.len - 1);
    return kst_buf_take(&text);
}

/* The name of the key's type stands at its start, as a string of SSH's (RFC 4251, 5). */
static char *key_type(const unsigned char *key, size_t len)
{
    if (len < 4 || key[0] || key[1] || key[2] || (size_t)key[3] + 4 > len)
        return kst_strdup("an unknown type of key");
    kst_auto_free char *name = kst_strndup((const char *)key + 4, key[3]);
    return kst_walk_shown(name);
}

static int distrust(struct kst_git_session *self, enum kst_knownhosts_verdict verdict,
                    const git_cert_hostkey *key)
{
    struct kst_err *why = NULL;
    kst_auto_free char *print = kst_git_fingerprint(key->hostkey, key->hostkey_len);
    kst_auto_free char *type = key_type((const unsigned char *)key->hostkey, key->hostkey_len);
    const char *host = self->url.host, *shown = self->url.shown;
    const char *file = self->request->credentials.known_hosts
                           ? "the known_hosts of the source's credentials"
                           : "~/.ssh/known_hosts";

    if (verdict == KST_KNOWNHOSTS_REVOKED) {
        kst_err_set(&why, KST_E_UNREACHABLE,
                    "Git source %s: the host key of %s (%s %s) is revoked in %s", shown, host, type,
                    print, file);
        kst_err_reason(&why, "HostKeyRevoked");
        kst_err_hint(&why, "do not connect: ask the server's owner for its new key");
    } else if (verdict == KST_KNOWNHOSTS_CHANGED) {
        kst_err_set(&why, KST_E_UNREACHABLE,
                    "Git source %s: the host key of %s is not the one that is known: the server "
                    "presented %s %s, which is not in %s",
                    shown, host, type, print, file);
        kst_err_reason(&why, "HostKeyChanged");
        kst_err_hint(&why,
                     "somebody may be listening in; only if the server's owner confirms that "
                     "fingerprint, replace the host's lines in known_hosts by the output of: "
                     "ssh-keyscan -p %d %s",
                     self->url.port, host);
    } else {
        kst_err_set(&why, KST_E_UNREACHABLE,
                    "Git source %s: the host key of %s is not known: the server presented %s %s, "
                    "and %s has no line for this host",
                    shown, host, type, print, file);
        kst_err_reason(&why, "HostKeyUnknown");
        kst_err_hint(&why,
                     "compare that fingerprint with what the server's owner publishes, then add "
                     "the output of this to known_hosts (of the Secret, where one is used): "
                     "ssh-keyscan -p %d %s",
                     self->url.port, host);
    }
    return refuse(self, why);
}

int kst_git_certificate(git_cert *cert, int valid, const char *host, void *payload)
{
    struct kst_git_session *self = payload;
    if (cert->cert_type != GIT_CERT_HOSTKEY_LIBSSH2)
        return GIT_PASSTHROUGH; /* what the TLS library found is what counts */
    const git_cert_hostkey *key = (const git_cert_hostkey *)cert;
    self->host_checked = true;
    if (!(key->type & GIT_CERT_SSH_RAW))
        return deny(self, "the server presented no host key that can be checked",
                    "ask its owner for an Ed25519 host key");
    enum kst_knownhosts_verdict verdict = kst_knownhosts_check(kst_str_of(self->known_hosts),
                                                               self->url.host, self->url.port,
                                                               key->hostkey, key->hostkey_len);
    return verdict == KST_KNOWNHOSTS_TRUSTED ? 0 : distrust(self, verdict, key);
}

bool kst_git_prefer_host_key(struct kst_git_session *self, const char *dir, unsigned nth)
{
    kst_auto_buf line = KST_BUF_INIT(64 << 10);
    kst_auto_free char *home = kst_asprintf("%s/home", dir);
    kst_auto_free char *ssh = kst_asprintf("%s/.ssh", home);
    kst_auto_free char *file = kst_asprintf("%s/known_hosts", ssh);
    bool found = kst_knownhosts_pick(kst_str_of(self->known_hosts), self->url.host, self->url.port,
                                     nth, &line);
    mkdir(home, 0700);
    mkdir(ssh, 0700);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        /* A preference that cannot be written is only that: the key itself is checked by us. */
        if (write(fd, line.data, line.len) < 0)
            found = false;
        close(fd);
    }
    setenv("HOME", home, 1);
    return found;
}
