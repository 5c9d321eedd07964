/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of service accounts: JSON Web Tokens that this server alone signs (RFC 7519, HS256) and
 * believes while the account lives.
 */
#ifndef KST_SANDBOX_SERVER_TOKEN_H
#define KST_SANDBOX_SERVER_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct kst_server;
struct kst_user;

/* A token that expires at `expires_s` (seconds since 1970; 0: never); the caller frees it. */
char *kst_token_make(const struct kst_server *server, const char *ns, const char *name,
                     const char *uid, int64_t expires_s);
/* Fills in the user of a token that is ours, not expired, and whose account is still there. */
bool kst_token_check(const struct kst_server *server, const char *token, struct kst_user *user);

#endif
