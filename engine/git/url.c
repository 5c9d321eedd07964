/* SPDX-License-Identifier: Apache-2.0 */
#include "git/url.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "git/source.h"

enum { URL_MAX = 4096 };

static const struct {
    const char *scheme;
    enum kst_git_transport transport;
    int port;
} schemes[] = {
    {"file", KST_GIT_FILE, 0},  {"http", KST_GIT_HTTP, 80},   {"https", KST_GIT_HTTPS, 443},
    {"ssh", KST_GIT_SSH, 22},   {"git+ssh", KST_GIT_SSH, 22}, {"ssh+git", KST_GIT_SSH, 22},
    {"git", KST_GIT_GIT, 9418},
};

static void free_text(char **text)
{
    if (*text)
        kst_free_secret(*text, strlen(*text));
    *text = NULL;
}

void kst_git_url_release(struct kst_git_url *self)
{
    free(self->fetch);
    free(self->shown);
    free(self->host);
    free_text(&self->username);
    free_text(&self->password);
    *self = (struct kst_git_url){0};
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes; what is no valid escape stands for itself, and so does %00. */
static char *decode(struct kst_str text)
{
    char *out = kst_malloc(text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int high = i + 2 < text.len ? hex(text.data[i + 1]) : -1;
        int low = i + 2 < text.len ? hex(text.data[i + 2]) : -1;
        if (text.data[i] == '%' && high >= 0 && low >= 0 && (high | low) != 0) {
            out[len++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[len++] = text.data[i];
        }
    }
    out[len] = 0;
    return out;
}

/* The parts of "[user[:password]@]host[:port]". */
struct authority {
    struct kst_str user, password, host, port;
    bool bracketed;
};

static const char *last_at(struct kst_str text)
{
    return text.len ? memrchr(text.data, '@', text.len) : NULL;
}

static bool split_authority(struct kst_str text, struct authority *out)
{
    *out = (struct authority){0};
    const char *at = last_at(text);
    if (at) {
        out->user = (struct kst_str){text.data, (size_t)(at - text.data)};
        const char *colon = out->user.len ? memchr(text.data, ':', out->user.len) : NULL;
        if (colon) {
            out->password = (struct kst_str){colon + 1, (size_t)(at - colon - 1)};
            out->user.len = (size_t)(colon - text.data);
        }
        text.len -= (size_t)(at + 1 - text.data);
        text.data = at + 1;
    }
    const char *colon;
    if (text.len && *text.data == '[') {
        const char *close = memchr(text.data, ']', text.len);
        if (!close)
            return false;
        out->bracketed = true;
        out->host = (struct kst_str){text.data + 1, (size_t)(close - text.data - 1)};
        colon = close + 1;
        if (colon < text.data + text.len && *colon != ':')
            return false;
    } else {
        colon = text.len ? memchr(text.data, ':', text.len) : NULL;
        out->host = (struct kst_str){text.data, colon ? (size_t)(colon - text.data) : text.len};
    }
    if (colon && colon < text.data + text.len)
        out->port = (struct kst_str){colon + 1, (size_t)(text.data + text.len - colon - 1)};
    return out->host.len > 0;
}

static bool host_ok(const struct authority *authority)
{
    if (*authority->host.data == '-')
        return false;
    for (size_t i = 0; i < authority->host.len; i++) {
        char c = authority->host.data[i];
        bool alnum = hex(c) >= 0 || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z');
        if (!alnum && !strchr("-._", c) && !(authority->bracketed && strchr(":%", c)))
            return false;
    }
    return true;
}

/* "scheme" and what follows "://", or false. */
static bool split_scheme(const char *text, struct kst_str *scheme, struct kst_str *rest)
{
    const char *mark = strstr(text, "://");
    if (!mark || mark == text)
        return false;
    for (const char *c = text; c < mark; c++) {
        if (hex(*c) < 0 && !((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z') && !strchr("+-.", *c))
            return false;
    }
    *scheme = (struct kst_str){text, (size_t)(mark - text)};
    *rest = kst_str_of(mark + 3);
    return true;
}

/* "[user@]host:path", with the colon before any slash: git's own short form for SSH. */
static bool split_scp(const char *text, struct kst_str *authority, struct kst_str *path)
{
    const char *start = text, *at = NULL;
    size_t head = strcspn(text, "/");
    at = head ? memrchr(text, '@', head) : NULL;
    if (at)
        start = at + 1;
    const char *colon = strchr(start, ':');
    if (!colon || colon == start || (size_t)(colon - text) > head)
        return false;
    *authority = (struct kst_str){text, (size_t)(colon - text)};
    *path = kst_str_of(colon + 1);
    return true;
}

/* Whether what looks like a port is not one: then it may be a password with a '/' that was not
 * escaped, and it is better to hide too much. */
static bool has_odd_port(const char *authority, size_t len)
{
    const char *colon = memrchr(authority, ':', len);
    return colon && strspn(colon + 1, "0123456789") != (size_t)(authority + len - colon - 1);
}

char *kst_source_url_redacted(const char *url)
{
    struct kst_str scheme, rest, path;
    const char *cut = strpbrk(url, "?#");
    kst_auto_free char *text = cut ? kst_strndup(url, (size_t)(cut - url)) : kst_strdup(url);
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    const char *tail = cut ? "?***" : "";
    if (!split_scheme(text, &scheme, &rest)) {
        if (!split_scp(text, &rest, &path))
            return kst_asprintf("%s%s", text, tail);
        const char *at = last_at(rest);
        const char *colon = at ? memchr(rest.data, ':', (size_t)(at - rest.data)) : NULL;
        if (!colon)
            return kst_asprintf("%s%s", text, tail);
        return kst_asprintf("%.*s:***%s%s", (int)(colon - text), text, at, tail);
    }
    size_t head = strcspn(rest.data, "/");
    const char *at = memrchr(rest.data, '@', head);
    if (!at && has_odd_port(rest.data, head))
        at = strrchr(rest.data, '@');
    if (!at)
        return kst_asprintf("%s%s", text, tail);
    int scheme_len = (int)(rest.data - text);
    const char *colon = memchr(rest.data, ':', (size_t)(at - rest.data));
    bool ssh = memmem(scheme.data, scheme.len, "ssh", 3) != NULL;
    if (ssh && !colon)
        return kst_asprintf("%s%s", text, tail);
    if (ssh)
        return kst_asprintf("%.*s%.*s:***%s%s", scheme_len, text, (int)(colon - rest.data),
                            rest.data, at, tail);
    return kst_asprintf("%.*s***%s%s", scheme_len, text, at, tail);
}

static int invalid(const struct kst_git_url *url, const char *why, struct kst_err **err)
{
    kst_err_set(err, KST_E_INVALID, "Git URL '%s': %s", url->shown, why);
    kst_err_reason(err, "InvalidURL");
    kst_err_hint(err, "give https://HOST/PATH, ssh://USER@HOST[:PORT]/PATH, USER@HOST:PATH, "
                      "http://…, git://…, file:///PATH or a path");
    return KST_E_INVALID;
}

static int parse_path(const char *path, struct kst_git_url *out, struct kst_err **err)
{
    char cwd[PATH_MAX];
    if (!*path)
        return invalid(out, "it is empty", err);
    out->transport = KST_GIT_FILE;
    if (*path == '/') {
        out->fetch = kst_strdup(path);
    } else {
        if (!getcwd(cwd, sizeof(cwd)))
            return kst_err_set(err, KST_E_IO, "the working directory has no name any more: %m");
        out->fetch = kst_asprintf("%s/%s", cwd, path);
    }
    return 0;
}

/* Fills in host, port, user and password, and makes the URL that libgit2 gets. */
static int take_authority(struct kst_str text, struct kst_str path, const char *scheme,
                          int default_port, struct kst_git_url *out, struct kst_err **err)
{
    struct authority authority;
    if (!split_authority(text, &authority) || !host_ok(&authority))
        return invalid(out, "its host is missing or not a valid name", err);
    long long port = default_port;
    if (authority.port.len) {
        kst_auto_free char *digits = kst_strndup(authority.port.data, authority.port.len);
        if (!kst_parse_int(digits, &port) || port < 1 || port > 65535)
            return invalid(out, "its port is not a number from 1 to 65535", err);
    }
    if (path.len < 2)
        return invalid(out, "it names no repository on that host", err);
    /* The SSH transport hands the path to a shell on the server, in single quotes. */
    if (out->transport == KST_GIT_SSH && memchr(path.data, '\'', path.len))
        return invalid(out, "its path has a single quote", err);
    if (out->transport == KST_GIT_SSH && memmem(path.data, path.len, "%27", 3))
        return invalid(out, "its path has a single quote", err);
    out->port = (int)port;
    out->host = kst_strndup(authority.host.data, authority.host.len);
    if (authority.user.len)
        out->username = decode(authority.user);
    if (authority.password.len)
        out->password = decode(authority.password);

    const char *open = authority.bracketed ? "[" : "", *close = authority.bracketed ? "]" : "";
    kst_auto_free char *number = port == default_port ? kst_strdup("")
                                                      : kst_asprintf(":%lld", port);
    bool keep_user = out->transport == KST_GIT_SSH && authority.user.len;
    out->fetch = kst_asprintf("%s://%.*s%s%s%s%s%s%.*s", scheme,
                              keep_user ? (int)authority.user.len : 0,
                              keep_user ? authority.user.data : "", keep_user ? "@" : "", open,
                              out->host, close, number, (int)path.len, path.data);
    return 0;
}

static int parse_url(const char *text, struct kst_str scheme, struct kst_str rest,
                     struct kst_git_url *out, struct kst_err **err)
{
    for (size_t i = 0; i < KST_ARRAY_LEN(schemes); i++) {
        if (strlen(schemes[i].scheme) != scheme.len ||
            strncasecmp(schemes[i].scheme, scheme.data, scheme.len) != 0)
            continue;
        out->transport = schemes[i].transport;
        size_t head = strcspn(rest.data, "/");
        struct kst_str host = {rest.data, head};
        struct kst_str path = {rest.data + head, rest.len - head};
        if (out->transport == KST_GIT_FILE) {
            if (head && !kst_str_eq(host, "localhost"))
                return invalid(out, "a file:// URL has no host: expected file:///PATH", err);
            kst_auto_free char *plain = decode(path);
            return parse_path(plain, out, err);
        }
        const char *name = out->transport == KST_GIT_SSH ? "ssh" : schemes[i].scheme;
        return take_authority(host, path, name, schemes[i].port, out, err);
    }
    return invalid(out, "its scheme is not known", err);
}

/* The path of the short form is relative to the user's home on the server, which ssh:// cannot
 * say: it is handed on in the short form. */
static int parse_scp(struct kst_str authority, struct kst_str path, struct kst_git_url *out,
                     struct kst_err **err)
{
    kst_auto_free char *slashed = kst_asprintf("/%s", path.data);
    int code = take_authority(authority, kst_str_of(slashed), "ssh", 22, out, err);
    if (code < 0)
        return code;
    const char *at = last_at(authority);
    size_t user = at ? strcspn(authority.data, ":@") : 0;
    free(out->fetch);
    out->fetch = kst_asprintf("%.*s%s%s:%s", (int)user, authority.data, at ? "@" : "", out->host,
                              path.data);
    return 0;
}

int kst_git_url_parse(const char *text, struct kst_git_url *out, struct kst_err **err)
{
    struct kst_str scheme, rest, path;
    struct kst_git_url url = {0};
    int code;

    url.shown = kst_source_url_redacted(text);
    if (strlen(text) > URL_MAX) {
        code = kst_err_set(err, KST_E_INVALID, "a Git URL of %zu bytes is longer than %d",
                           strlen(text), URL_MAX);
    } else if (strcspn(text, "\1\2\3\4\5\6\7\b\t\n\v\f\r\x1b\x7f") != strlen(text)) {
        code = invalid(&url, "it has a control character", err);
    } else if (split_scheme(text, &scheme, &rest)) {
        code = parse_url(text, scheme, rest, &url, err);
    } else if (*text != '/' && *text != '.' && split_scp(text, &rest, &path)) {
        url.transport = KST_GIT_SSH;
        code = parse_scp(rest, path, &url, err);
    } else {
        code = parse_path(text, &url, err);
    }
    if (code < 0)
        kst_git_url_release(&url);
    else
        *out = url;
    return code;
}
