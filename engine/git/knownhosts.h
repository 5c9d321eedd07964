/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known_hosts files, as in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": plain, hashed (|1|salt|hash) and
 * negated names, wildcards, [host]:port, @revoked. @cert-authority lines are ignored: the SSH
 * library knows no host certificates. Internal to this layer.
 */
#ifndef KST_GIT_KNOWNHOSTS_H
#define KST_GIT_KNOWNHOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum kst_knownhosts_verdict {
    KST_KNOWNHOSTS_TRUSTED,
    KST_KNOWNHOSTS_UNKNOWN, /* nothing is said about this host */
    KST_KNOWNHOSTS_CHANGED, /* other keys are known for it, this one is not */
    KST_KNOWNHOSTS_REVOKED,
};

/* `key` is the host key in SSH's wire format (RFC 4253, 6.6). A host that is not on port 22 is
 * looked up as [host]:port; a key that is known for the bare host is trusted there as well, as in
 * OpenSSH. Lines that make no sense are ignored. */
enum kst_knownhosts_verdict kst_knownhosts_check(struct kst_str text, const char *host, int port,
                                                 const void *key, size_t key_len);
/* Appends the host's `nth` best key (Ed25519, then ECDSA, then RSA) as a line "host type key", in
 * which the host is written plainly. False where there is none. */
bool kst_knownhosts_pick(struct kst_str text, const char *host, int port, unsigned nth,
                         struct kst_buf *line);

#endif
