/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes and hooks of containers.
 * https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "sandbox/api/api.h"
#include "sandbox/api/internal.h"
#include "sandbox/node/internal.h"

enum { ANSWER_BYTES = 4096, MAX_WORDS = 64 };

/* ---- handlers ---- */

static int run_exec(struct kst_pod_container *self, const struct kst_json *exec,
                    struct kst_err **err)
{
    const char *words[MAX_WORDS + 1] = {NULL};
    size_t count = 0;
    const struct kst_json *list = kst_json_get(exec, "command");
    for (const struct kst_json *w = kst_json_first(list); w && count < MAX_WORDS;
         w = kst_json_next(w))
        words[count++] = kst_json_str(w) ? kst_json_str(w) : "";
    const struct kst_container_exec request = {.command = words};
    struct kst_container_process *process = NULL;
    int code = 0;
    if (count == 0)
        return kst_err_set(err, KST_E_INVALID, "the handler has no command");
    int rc = kst_container_exec_start(self->process, &request, &process, err);
    if (rc < 0)
        return rc;
    rc = kst_container_process_wait(process, &code, err);
    kst_container_process_free(process);
    if (rc == 0 && code != 0)
        rc = kst_err_set(err, KST_E_FAILED, "the command ended with %d", code);
    return rc;
}

/* A port by its number, or the name that it has in the container. */
static int64_t port_of(const struct kst_pod_container *self, const struct kst_json *port)
{
    int64_t number = 0;
    if (kst_json_int(port, &number))
        return number;
    const struct kst_json *list = kst_json_get(self->spec, "ports");
    for (const struct kst_json *p = kst_json_first(list); p; p = kst_json_next(p))
        if (kst_json_str(port) && strcmp(kst_api_text(p, "name"), kst_json_str(port)) == 0)
            return kst_json_path_int(p, "containerPort", 0);
    return 0;
}

static int connect_to(struct kst_pod_container *self, const struct kst_json *port, int *fd,
                      struct kst_err **err)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port_of(self, port)),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int rc = kst_container_group_socket(self->pod->group, AF_INET, fd, err), error = 0;
    socklen_t len = sizeof(error);
    if (rc < 0)
        return rc;
    if (connect(*fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    if (errno == EINPROGRESS)
        rc = kst_wait_fd(*fd, POLLOUT, KST_NEVER, err);
    else
        error = errno;
    if (rc >= 0 && !error)
        getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (rc >= 0 && !error)
        return 0;
    close(*fd);
    *fd = -1;
    return rc < 0 ? rc : kst_err_set(err, KST_E_UNREACHABLE, "dial tcp: %s", strerror(error));
}

static int run_tcp(struct kst_pod_container *self, const struct kst_json *tcp, struct kst_err **err)
{
    int fd = -1, rc = connect_to(self, kst_json_get(tcp, "port"), &fd, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* One request; the first line of the answer tells. */
static int run_http(struct kst_pod_container *self, const struct kst_json *get,
                    struct kst_err **err)
{
    int fd = -1, rc = connect_to(self, kst_json_get(get, "port"), &fd, err);
    if (rc < 0)
        return rc;
    char answer[ANSWER_BYTES];
    size_t have = 0;
    const char *path = kst_api_text(get, "path");
    kst_auto_free char *request = kst_asprintf(
        "GET %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kube-probe/1.20\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n",
        *path == '/' ? "" : "/", path, self->pod->ip);
    ssize_t wrote = send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (rc >= 0 && wrote > 0 && have < sizeof(answer) - 1 && !memchr(answer, '\n', have)) {
        ssize_t got = recv(fd, answer + have, sizeof(answer) - 1 - have, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        if (got > 0)
            have += (size_t)got;
        else
            rc = kst_wait_fd(fd, POLLIN, KST_NEVER, err);
    }
    close(fd);
    if (rc < 0)
        return rc;
    answer[have] = '\0';
    const char *space = strchr(answer, ' ');
    if (strncmp(answer, "HTTP/", 5) == 0 && space && space[1] >= '2' && space[1] <= '3')
        return 0;
    return kst_err_set(err, KST_E_FAILED, "HTTP probe failed with: %.*s",
                       (int)strcspn(answer, "\r\n"), answer);
}

int kst_pod_run_handler(struct kst_pod_container *self, const struct kst_json *handler,
                        int64_t timeout_ms, struct kst_err **err)
{
    const struct kst_json *exec = kst_json_get(handler, "exec"),
                          *http = kst_json_get(handler, "httpGet"),
                          *tcp = kst_json_get(handler, "tcpSocket");
    int64_t outer = kst_deadline_set(kst_deadline_in_ms(timeout_ms));
    self->users++;
    int rc = !self->process ? kst_err_set(err, KST_E_CLOSED, "the container does not run")
             : exec         ? run_exec(self, exec, err)
             : http         ? run_http(self, http, err)
             : tcp          ? run_tcp(self, tcp, err)
                            : 0;
    if (--self->users == 0)
        kst_cond_signal(&self->unused);
    kst_deadline_restore(outer);
    return rc;
}

/* ---- probes ---- */

struct probe {
    const char *title; /* in Events */
    const struct kst_json *spec;
    int64_t next_ms;
    int64_t failures, successes;
};

static int64_t seconds(const struct kst_json *spec, const char *key, int64_t otherwise)
{
    return kst_api_ms(kst_json_path_int(spec, key, otherwise));
}

static void probe_begin(struct probe *self, const struct kst_json *container, const char *name,
                        const char *title)
{
    *self = (struct probe){
        .title = title, .spec = kst_json_get(container, name), .next_ms = KST_NEVER};
    if (self->spec)
        self->next_ms = kst_now_ms() + seconds(self->spec, "initialDelaySeconds", 0);
}

/* Runs it where it is due: 1 where it has succeeded often enough, -1 where it has failed so, 0 in
 * between; a cancelled fiber gets KST_E_CANCELLED. */
static int probe_turn(struct probe *self, struct kst_pod_container *container, int *verdict)
{
    *verdict = 0;
    if (!self->spec || kst_now_ms() < self->next_ms)
        return 0;
    kst_auto_err struct kst_err *err = NULL;
    int rc = kst_pod_run_handler(container, self->spec, seconds(self->spec, "timeoutSeconds", 1),
                                 &err);
    if (rc == KST_E_CANCELLED)
        return rc;
    if (rc < 0)
        kst_pod_event(container, "Warning", "Unhealthy", "%s probe failed: %s", self->title,
                      kst_err_message(err));
    self->next_ms = kst_now_ms() + seconds(self->spec, "periodSeconds", 10);
    self->failures = rc < 0 ? self->failures + 1 : 0;
    self->successes = rc < 0 ? 0 : self->successes + 1;
    if (self->successes >= kst_json_path_int(self->spec, "successThreshold", 1))
        *verdict = 1;
    else if (self->failures >= kst_json_path_int(self->spec, "failureThreshold", 3))
        *verdict = -1;
    return 0;
}

static void set_ready(struct kst_pod_container *self, bool ready)
{
    if (self->ready == ready)
        return;
    self->ready = ready;
    kst_pod_tell(self->pod);
}

/* Ends it; whoever runs it starts it again, and ends this fiber. */
static void restart(struct kst_pod_container *self, const char *probe)
{
    kst_pod_event(self, "Normal", "Killing", "Container %s failed %s probe, will be restarted",
                  self->name, probe);
    kst_pod_container_end(self);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int kst_pod_probe(void *arg, struct kst_err **err)
{
    struct kst_pod_container *self = arg;
    struct probe startup, readiness, liveness;
    int verdict = 0, rc = 0;
    probe_begin(&startup, self->spec, "startupProbe", "Startup");
    while (startup.spec && rc == 0 && !self->started) {
        rc = probe_turn(&startup, self, &verdict);
        self->started = verdict > 0;
        if (verdict < 0)
            restart(self, "startup");
        if (rc == 0 && !self->started)
            rc = kst_sleep_ms(startup.next_ms - kst_now_ms(), NULL);
    }
    if (rc != 0)
        return 0; /* it has ended before it had started */
    self->started = true;
    probe_begin(&readiness, self->spec, "readinessProbe", "Readiness");
    probe_begin(&liveness, self->spec, "livenessProbe", "Liveness");
    if (!readiness.spec)
        set_ready(self, true);
    kst_pod_tell(self->pod);
    while (rc == 0 && (readiness.spec || liveness.spec)) {
        rc = probe_turn(&readiness, self, &verdict);
        if (rc == 0 && verdict != 0)
            set_ready(self, verdict > 0);
        if (rc == 0)
            rc = probe_turn(&liveness, self, &verdict);
        if (rc == 0 && verdict < 0)
            restart(self, "liveness");
        if (rc == 0)
            rc = kst_sleep_ms(sooner(readiness.next_ms, liveness.next_ms) - kst_now_ms(), NULL);
    }
    return 0;
}
