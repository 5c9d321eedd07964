/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in containers, over a WebSocket: v5.channel.k8s.io where the server has it (it can close
 * stdin), else v4.channel.k8s.io. Framing is libwslay's (RFC 6455).
 * https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
 *
 * What no client can mend: containerd ends a command's stdin as soon as the command has closed one
 * of its outputs ("exec psql 2>/dev/null" reads an early end of file), and does not tell the end of
 * a command while input that it left unread fills the pipes. kubectl sees the same.
 *
 * An exec may outlive the fiber that opened it, but one fiber at a time reads or writes it: a
 * second one gets KST_E_USAGE, and so does one that waits while another closes the exec.
 */
#ifndef KST_KUBE_EXEC_H
#define KST_KUBE_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kst_buf;
struct kst_err;
struct kst_exec;
struct kst_kube;

struct kst_exec_request {
    const char *ns;
    const char *pod;
    const char *container;      /* NULL: the only or default one */
    const char *const *command; /* ended by NULL; no shell. Never holds secrets. */
    bool stdin_;                /* a stream to write to */
    bool stderr_to_stdout;      /* one stream (no separate stderr) */
};

enum kst_exec_stream { KST_EXEC_STDOUT = 1, KST_EXEC_STDERR = 2 };

/* Yields until the server agreed to run the command (that it could not be run may be told at the
 * end only: kst_exec_status()). An exec is never repeated once it may have started.
 * KST_E_NOT_FOUND (Pod, container), KST_E_FORBIDDEN, KST_E_INVALID (container not running),
 * KST_E_UNREACHABLE, … */
int kst_exec_open(struct kst_kube *kube, const struct kst_exec_request *request,
                  struct kst_exec **out, struct kst_err **err);
/* Yields until all of it is handed to the connection; output that comes meanwhile is kept, up to
 * 4 MiB. KST_E_CLOSED where the command has ended. */
int kst_exec_write(struct kst_exec *self, const void *data, size_t len, int64_t deadline_ms,
                   struct kst_err **err);
/* Ends the command's stdin. With v4, which cannot say that, KST_E_INVALID: then write what makes
 * the command end, or close the whole. KST_E_USAGE while another fiber uses the exec. Never yields.
 */
int kst_exec_close_stdin(struct kst_exec *self, struct kst_err **err);
/* Yields until output arrived: appended to `out` (whose cap holds the sender back: what does not
 * fit stays for the next call; a full buffer is KST_E_LIMIT); *stream says which. Returns the
 * count, 0 when the command ended (kst_exec_status() then), or an error; KST_E_TIMEOUT at
 * `deadline_ms`; KST_E_CLOSED where the connection broke before the command's end was known. */
int64_t kst_exec_read(struct kst_exec *self, struct kst_buf *out, enum kst_exec_stream *stream,
                      int64_t deadline_ms, struct kst_err **err);
/* After the end: the exit code, or -1 with a message in *err where the command could not be run
 * (no such program: KST_E_FAILED; container not running, where the server says so late:
 * KST_E_INVALID) or its end is unknown (KST_E_CLOSED, _PROTOCOL). */
int kst_exec_status(const struct kst_exec *self, int *exit_code, struct kst_err **err);
/* Closes the connection (the command reads end of file and is left to end) and frees. NULL is
 * allowed. Never yields for longer than one attempt to say goodbye. */
void kst_exec_close(struct kst_exec *self);

/* Runs a command to its end with `input` (may be NULL), collecting both outputs (either may be
 * NULL: thrown away; KST_E_LIMIT where one is full). *exit_code is set on success (whatever the
 * code is). An input opens stdin, whatever the request says. Over v4 the input's end
 * cannot be told: a command that reads to its end of file needs kst_exec_takes_eof(). */
int kst_exec_run(struct kst_kube *kube, const struct kst_exec_request *request, const void *input,
                 size_t input_len, struct kst_buf *output, struct kst_buf *errors, int *exit_code,
                 struct kst_err **err);
/* Whether this connection can close stdin alone (v5). */
bool kst_exec_takes_eof(const struct kst_exec *self);

#endif
