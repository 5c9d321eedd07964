/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real peers for tests of Git sources: repositories made with git, and servers on loopback, each
 * ended by its own process id.
 */
#ifndef KST_TESTS_UNIT_GIT_PEERS_H
#define KST_TESTS_UNIT_GIT_PEERS_H

#include <sys/types.h>

struct peers {
    char *top;                /* a folder of the test's own; holds all below */
    char *repos;              /* bare repositories: blueprints.git, empty.git, big.git */
    char *program;            /* this test program, which is the helper too */
    char head[41], first[41]; /* of blueprints.git: main, and its first commit */
};

/* A server; port 0: it is not running. */
struct peer {
    pid_t pid;
    int port;
    int input; /* its stdin */
};

void peers_start(struct peers *self);
void peers_stop(struct peers *self);
/* Runs a shell command in `top` and asserts that it succeeds. */
void peers_sh(const struct peers *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first line that a shell command prints; the caller frees it. */
char *peers_ask(const struct peers *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A file below `top`; the caller frees the text. */
char *peers_file(const struct peers *self, const char *name);

/* tests/lib/git-http-server with more arguments (ended by NULL). */
struct peer peer_http(const struct peers *self, const char *const *more);
struct peer peer_daemon(const struct peers *self);
/* sshd with the host keys top/host_ed25519 and top/host_ecdsa, or one of them; top/id and
 * top/id_locked (passphrase "sesame") may log in. */
struct peer peer_ssh(const struct peers *self, const char *host_key);
/* Accepts connections and says nothing. */
struct peer peer_silent(void);
void peer_stop(struct peer *self);

#endif
