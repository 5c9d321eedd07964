/* SPDX-License-Identifier: Apache-2.0 */
#include "git/knownhosts.h"

#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "base/mem.h"

enum { BLOB_MAX = 16384, PATTERN_STEPS = 4096 };

struct entry {
    bool revoked;
    struct kst_str hosts, type, key; /* the key in base64 */
};

static struct kst_str next_field(struct kst_str *rest)
{
    while (rest->len && (*rest->data == ' ' || *rest->data == '\t')) {
        rest->data++;
        rest->len--;
    }
    struct kst_str field = {rest->data, 0};
    while (field.len < rest->len && field.data[field.len] != ' ' && field.data[field.len] != '\t')
        field.len++;
    rest->data += field.len;
    rest->len -= field.len;
    return field;
}

static bool parse_line(struct kst_str line, struct entry *out)
{
    *out = (struct entry){0};
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    struct kst_str field = next_field(&line);
    if (field.len == 0 || *field.data == '#')
        return false;
    if (*field.data == '@') {
        if (!kst_str_eq(field, "@revoked"))
            return false;
        out->revoked = true;
        field = next_field(&line);
    }
    out->hosts = field;
    out->type = next_field(&line);
    out->key = next_field(&line);
    return out->key.len > 0;
}

/* '*' and '?', without regard to case; a bounded number of steps, since the pattern may be
 * anybody's. */
static bool match_pattern(struct kst_str pattern, struct kst_str name)
{
    size_t p = 0, n = 0, star = (size_t)-1, mark = 0;
    for (int steps = 0; steps < PATTERN_STEPS; steps++) {
        if (n == name.len) {
            while (p < pattern.len && pattern.data[p] == '*')
                p++;
            return p == pattern.len;
        }
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            mark = n;
        } else if (p < pattern.len && (pattern.data[p] == '?' ||
                                       strncasecmp(pattern.data + p, name.data + n, 1) == 0)) {
            p++;
            n++;
        } else if (star != (size_t)-1) {
            p = star + 1;
            n = ++mark;
        } else {
            return false;
        }
    }
    return false;
}

static bool match_hashed(struct kst_str text, struct kst_str name)
{
    struct kst_str salt, hash;
    struct kst_str rest = {text.data + 3, text.len - 3};
    if (!kst_str_split(&rest, '|', &salt) || !kst_str_split(&rest, '|', &hash))
        return false;
    kst_auto_buf salt_bytes = KST_BUF_INIT(256);
    kst_auto_buf hash_bytes = KST_BUF_INIT(256);
    if (kst_base64_decode(&salt_bytes, salt, false) < 0 ||
        kst_base64_decode(&hash_bytes, hash, false) < 0 || hash_bytes.len != KST_SHA1_BYTES)
        return false;
    kst_auto_free char *lower = kst_strndup(name.data, name.len);
    for (char *c = lower; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + 'a' - 'A');
    }
    unsigned char digest[KST_SHA1_BYTES];
    kst_hash_hmac_sha1(salt_bytes.data, salt_bytes.len, lower, name.len, digest);
    return memcmp(digest, hash_bytes.data, sizeof(digest)) == 0;
}

static bool match_hosts(struct kst_str hosts, struct kst_str name)
{
    struct kst_str part;
    bool matched = false;
    if (kst_str_has_prefix(hosts, "|1|"))
        return match_hashed(hosts, name);
    while (kst_str_split(&hosts, ',', &part)) {
        bool negated = part.len && *part.data == '!';
        if (negated) {
            part.data++;
            part.len--;
        }
        if (match_pattern(part, name)) {
            if (negated)
                return false;
            matched = true;
        }
    }
    return matched;
}

/* The names under which a host may stand: the first is the one that it should have. */
struct host_names {
    char *full;
    const char *bare; /* NULL on port 22 */
};

static struct host_names names_of(const char *host, int port)
{
    if (port == 22)
        return (struct host_names){kst_strdup(host), NULL};
    return (struct host_names){kst_asprintf("[%s]:%d", host, port), host};
}

static bool same_key(const struct entry *entry, const void *key, size_t key_len)
{
    kst_auto_buf blob = KST_BUF_INIT(BLOB_MAX);
    return kst_base64_decode(&blob, entry->key, false) == 0 && blob.len == key_len &&
           memcmp(blob.data, key, key_len) == 0;
}

enum kst_knownhosts_verdict kst_knownhosts_check(struct kst_str text, const char *host, int port,
                                                 const void *key, size_t key_len)
{
    struct host_names names = names_of(host, port);
    bool trusted = false, known = false, revoked = false;
    struct kst_str line;

    while (kst_str_split(&text, '\n', &line)) {
        struct entry entry;
        if (!parse_line(line, &entry))
            continue;
        bool full = match_hosts(entry.hosts, kst_str_of(names.full));
        bool bare = !full && names.bare && match_hosts(entry.hosts, kst_str_of(names.bare));
        if (!full && !bare)
            continue;
        if (same_key(&entry, key, key_len)) {
            revoked |= entry.revoked;
            trusted |= !entry.revoked;
        } else if (full && !entry.revoked) {
            known = true;
        }
    }
    free(names.full);
    if (revoked)
        return KST_KNOWNHOSTS_REVOKED;
    if (trusted)
        return KST_KNOWNHOSTS_TRUSTED;
    return known ? KST_KNOWNHOSTS_CHANGED : KST_KNOWNHOSTS_UNKNOWN;
}

bool kst_knownhosts_pick(struct kst_str text, const char *host, int port, unsigned nth,
                         struct kst_buf *line)
{
    static const char *const types[] = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                        "ecdsa-sha2-nistp521", "ssh-rsa"};
    struct host_names names = names_of(host, port);
    bool found = false;

    for (size_t i = 0; i < KST_ARRAY_LEN(types) && !found; i++) {
        struct kst_str rest = text, row;
        while (kst_str_split(&rest, '\n', &row)) {
            struct entry entry;
            if (!parse_line(row, &entry) || entry.revoked || !kst_str_eq(entry.type, types[i]))
                continue;
            kst_auto_buf blob = KST_BUF_INIT(BLOB_MAX);
            if (!match_hosts(entry.hosts, kst_str_of(names.full)) &&
                !(names.bare && match_hosts(entry.hosts, kst_str_of(names.bare))))
                continue;
            if (kst_base64_decode(&blob, entry.key, false) < 0)
                continue;
            /* One key of a type is enough: the type is what is negotiated. */
            found = nth-- == 0;
            if (found)
                kst_buf_addf(line, "%s %s %.*s\n", names.full, types[i], (int)entry.key.len,
                             entry.key.data);
            break;
        }
    }
    free(names.full);
    return found;
}
