/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/http_internal.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "loop/loop.h"

enum { DEFAULT_CONNECT_MS = 10 * 1000, MAX_STREAMS = 250, KEEPALIVE_S = 15 };

struct http {
    struct kst_loop *loop;
    CURLM *multi;
    struct kst_timer *timer;
};

static void pump(struct http *self, curl_socket_t socket, int mask);

static void on_timer(void *arg)
{
    struct http *self = arg;
    self->timer = NULL;
    pump(self, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http *self = arg;
    kst_timer_stop(self->timer);
    self->timer = NULL;
    if (timeout_ms >= 0)
        self->timer = kst_timer_start(self->loop, kst_deadline_in_ms(timeout_ms), on_timer, self);
    return 0;
}

static void on_socket(void *arg, int fd, int events)
{
    int mask = (events & POLLIN ? CURL_CSELECT_IN : 0) | (events & POLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (POLLERR | POLLHUP) ? CURL_CSELECT_ERR : 0);
    pump(arg, fd, mask);
}

static int set_socket(CURL *easy, curl_socket_t socket, int what, void *arg, void *slot)
{
    struct http *self = arg;
    int events = what == CURL_POLL_REMOVE
                     ? 0
                     : (what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0);
    kst_loop_watch_fd(self->loop, socket, events, on_socket, self, NULL);
    return 0;
}

/* Lets curl do what it can, and tells the transfers that are done. */
static void pump(struct http *self, curl_socket_t socket, int mask)
{
    int running = 0;
    curl_multi_socket_action(self->multi, socket, mask, &running);
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(self->multi, &left)) != NULL;) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct kst_transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->done = true;
        transfer->result = message->data.result;
        kst_cond_signal(&transfer->changed);
    }
}

static void release(void *value)
{
    struct http *self = value;
    curl_multi_cleanup(self->multi);
    kst_timer_stop(self->timer);
    free(self);
}

static struct http *http_of(struct kst_loop *loop)
{
    struct http *self = kst_loop_slot(loop, KST_LOOP_SLOT_HTTP);
    if (self)
        return self;
    self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->multi = curl_multi_init();
    if (!self->multi)
        abort();
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    curl_multi_setopt(self->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)MAX_STREAMS);
    kst_loop_set_slot(loop, KST_LOOP_SLOT_HTTP, self, release);
    return self;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct kst_transfer *self = arg;
    size_t len = size * count;
    if (self->sink)
        return self->sink(self->sink_arg, data, len);
    if (self->body && kst_buf_add(self->body, data, len) < 0) {
        self->too_large = true;
        return 0;
    }
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct kst_transfer *self = arg;
    size_t len = size * count;
    struct kst_str line = kst_str_trim((struct kst_str){.data = data, .len = len});
    static const char name[] = "retry-after:";
    if (line.len > sizeof(name) && strncasecmp(line.data, name, sizeof(name) - 1) == 0) {
        struct kst_str value = kst_str_trim((struct kst_str){.data = line.data + sizeof(name) - 1,
                                                             .len = line.len - sizeof(name) + 1});
        free(self->retry_after);
        self->retry_after = kst_strndup(value.data, value.len);
    }
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    if (line.len == 0 && status >= 200) {
        self->headers_done = true;
        kst_cond_signal(&self->changed);
    }
    return len;
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    if (!pem)
        return;
    struct curl_blob blob = {.data = (void *)pem, .len = strlen(pem), .flags = CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, &blob);
}

static void set_tls(struct kst_transfer *self, const struct kst_http_tls *tls)
{
    if (!tls)
        return;
    if (tls->ca_pem) { /* this authority alone, not the machine's beside it */
        curl_easy_setopt(self->easy, CURLOPT_CAPATH, NULL);
        set_blob(self->easy, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    }
    set_blob(self->easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    set_blob(self->easy, CURLOPT_SSLKEY_BLOB, tls->key_pem);
    if (tls->insecure) {
        curl_easy_setopt(self->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(self->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/* The URL to ask for: its own, or one with the TLS server name as its host, which curl is told to
 * reach where the own one is. */
static int set_url(struct kst_transfer *self, const struct kst_http_request *request,
                   struct kst_err **err)
{
    CURLU *url = curl_url();
    CURLUcode code = curl_url_set(url, CURLUPART_URL, request->url, CURLU_NON_SUPPORT_SCHEME);
    char *host = NULL, *port = NULL, *whole = NULL;
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &host, 0);
    if (code == CURLUE_OK)
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    const char *name = request->tls ? request->tls->server_name : NULL;
    if (code == CURLUE_OK && name && *name && strcmp(name, host) != 0) {
        kst_auto_free char *route = kst_asprintf("%s:%s:%s:%s", name, port ? port : "443", host,
                                                 port ? port : "443");
        self->connect_to = curl_slist_append(NULL, route);
        code = curl_url_set(url, CURLUPART_HOST, name, 0);
    }
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_URL, &whole, 0);
    if (code == CURLUE_OK)
        self->url = kst_strdup(whole);
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    curl_url_cleanup(url);
    if (code != CURLUE_OK)
        return kst_err_set(err, KST_E_INVALID, "'%s' is not a URL that can be used: %s",
                           request->url, curl_url_strerror(code));
    curl_easy_setopt(self->easy, CURLOPT_URL, self->url);
    curl_easy_setopt(self->easy, CURLOPT_CONNECT_TO, self->connect_to);
    return 0;
}

static size_t give_body(char *to, size_t size, size_t count, void *arg)
{
    struct kst_transfer *self = arg;
    size_t len = self->request_len - self->request_sent;
    len = len < size * count ? len : size * count;
    if (len)
        memcpy(to, (const char *)self->request_body + self->request_sent, len);
    self->request_sent += len;
    return len;
}

static int refuse_to_rewind(void *arg, curl_off_t offset, int origin)
{
    return CURL_SEEKFUNC_FAIL;
}

/* RFC 9110, 9.2.2: whether executing it twice is the same as once. */
static bool may_be_resent(const char *method)
{
    return strcmp(method, "POST") != 0 && strcmp(method, "PATCH") != 0;
}

/*
 * curl sends a request again by itself, without a word, when a connection that it has used before
 * ends before a byte of the answer came (Curl_retry_request): the server may have executed it. It
 * cannot be told not to, but it gives up (CURLE_SEND_FAIL_REWIND) where a part of the body was
 * sent and the body's source cannot go back. So the body of what must not be executed twice comes
 * from such a source, and where there is no body, from a connection that was not used before.
 */
static void set_body(struct kst_transfer *self, const struct kst_http_request *request)
{
    CURL *easy = self->easy;
    const char *method = request->method ? request->method : "GET";
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (may_be_resent(method)) {
        if (request->body) {
            curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
            curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
        }
    } else {
        self->request_len = request->body ? request->body_len : 0;
        self->request_body = kst_malloc(self->request_len + 1);
        if (self->request_len)
            memcpy(self->request_body, request->body, self->request_len);
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)self->request_len);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, self);
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, refuse_to_rewind);
        if (self->request_len == 0)
            curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_common(struct kst_transfer *self, const struct kst_http_request *request)
{
    CURL *easy = self->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, self);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    self->proxy = kst_strdup(request->proxy);
    curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ? request->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    /* A proxy that says it is connected is not the answer of the server. */
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(request->connect_timeout_ms ? request->connect_timeout_ms
                                                        : DEFAULT_CONNECT_MS));
    if (request->stall_timeout_ms) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME,
                         (long)(request->stall_timeout_ms + 999) / 1000);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, self);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, self);
    for (const char *const *header = request->headers; header && *header; header++)
        self->headers = curl_slist_append(self->headers, *header);
    self->headers = curl_slist_append(self->headers, "Expect:");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, self->headers);
}

int kst_transfer_start(struct kst_loop *loop, const struct kst_http_request *request,
                       enum kst_transfer_mode mode, struct kst_transfer **out, struct kst_err **err)
{
    struct http *http = http_of(loop);
    struct kst_transfer *self = kst_calloc(1, sizeof(*self));
    self->loop = loop;
    self->easy = curl_easy_init();
    if (!self->easy)
        abort();
    int rc = set_url(self, request, err);
    if (rc < 0) {
        kst_transfer_free(self);
        return rc;
    }
    set_common(self, request);
    set_tls(self, request->tls);
    set_body(self, request);
    if (mode == KST_TRANSFER_RAW) {
        curl_easy_setopt(self->easy, CURLOPT_CONNECT_ONLY, 1L);
        curl_easy_setopt(self->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(self->easy, CURLOPT_FRESH_CONNECT, 1L);
        /* Also to http://: what is spoken is not HTTP that a proxy would understand. */
        curl_easy_setopt(self->easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    } else {
        curl_easy_setopt(self->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(self->easy, CURLOPT_PIPEWAIT, 1L);
    }
    if (mode == KST_TRANSFER_COLLECT)
        curl_easy_setopt(self->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_multi_add_handle(http->multi, self->easy);
    self->added = true;
    *out = self;
    return 0;
}

void kst_transfer_free(struct kst_transfer *self)
{
    if (!self)
        return;
    struct http *http = http_of(self->loop);
    if (self->added)
        curl_multi_remove_handle(http->multi, self->easy);
    curl_easy_cleanup(self->easy);
    curl_slist_free_all(self->headers);
    curl_slist_free_all(self->connect_to);
    kst_cond_release(&self->changed);
    free(self->url);
    free(self->proxy);
    free(self->retry_after);
    free(self->request_body);
    free(self);
}

static int64_t retry_after_ms(const char *text)
{
    const int64_t most_ms = 24 * 60 * 60 * 1000;
    long long seconds;
    if (!text)
        return -1;
    if (kst_parse_int(text, &seconds))
        return seconds < 0 ? -1 : seconds > most_ms / 1000 ? most_ms : seconds * 1000;
    time_t when = curl_getdate(text, NULL);
    if (when < 0)
        return -1;
    int64_t left = (int64_t)when * 1000 - kst_wall_ms();
    return left < 0 ? 0 : left > most_ms ? most_ms : left;
}

/* What a proxy answered to CONNECT where that was a refusal, else 0: the server saw nothing then.
 */
static long refused_tunnel(const struct kst_transfer *self)
{
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status / 100 == 2 ? 0 : status;
}

void kst_transfer_response(struct kst_transfer *self, struct kst_http_response *response)
{
    char *type = NULL;
    long version = 0, request_size = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &response->status);
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(self->easy, CURLINFO_HTTP_VERSION, &version);
    curl_easy_getinfo(self->easy, CURLINFO_REQUEST_SIZE, &request_size);
    free(response->content_type);
    response->content_type = kst_strdup(type);
    response->retry_after_ms = retry_after_ms(self->retry_after);
    response->sent = (request_size > 0 || response->status > 0) && !refused_tunnel(self);
    response->http_version = version == CURL_HTTP_VERSION_2_0 ? 20 : 11;
}

/* "host:port" of a URL, for messages: never its user and password. */
static char *host_of(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + 3 : url;
    size_t len = strcspn(start, "/?#");
    for (size_t i = len; i > 0; i--) {
        if (start[i - 1] == '@') {
            len -= i;
            start += i;
            break;
        }
    }
    return kst_strndup(start, len);
}

static char *server_of(const struct kst_transfer *self)
{
    return host_of(self->url);
}

static int tls_error(const char *server, const char *text, struct kst_err **err)
{
    static const struct {
        const char *part, *says, *hint;
    } table[] = {
        {"alert certificate expired", "the server refused our client certificate: it has expired",
         "renew the client certificate of the user in the kubeconfig"},
        {"certificate has expired", "its certificate has expired",
         "renew the server's certificate (and check the clock of this machine)"},
        {"not yet valid", "its certificate is not valid yet", "check the clock of this machine"},
        {"self-signed certificate", "its certificate is not signed by the expected authority",
         "check certificate-authority (or -data) of the cluster in the kubeconfig"},
        {"self signed certificate", "its certificate is not signed by the expected authority",
         "check certificate-authority (or -data) of the cluster in the kubeconfig"},
        {"unable to get local issuer", "its certificate is not signed by the expected authority",
         "check certificate-authority (or -data) of the cluster in the kubeconfig"},
        {"certificate signature failure", "its certificate is not signed by the expected authority",
         "check certificate-authority (or -data) of the cluster in the kubeconfig"},
        {"no alternative certificate subject name", "its certificate is for another name",
         "use a name that is in the certificate, or set tls-server-name"},
        {"does not match target host name", "its certificate is for another name",
         "use a name that is in the certificate, or set tls-server-name"},
        {"alert certificate required", "it asks for a client certificate", NULL},
        {"wrong version number", "it does not speak TLS", "use http:// if that is meant"},
    };
    for (size_t i = 0; i < KST_ARRAY_LEN(table); i++) {
        if (!strstr(text, table[i].part))
            continue;
        kst_err_set(err, KST_E_UNREACHABLE, "no TLS connection to %s: %s", server, table[i].says);
        if (table[i].hint)
            kst_err_hint(err, "%s", table[i].hint);
        /* Trying again does not help: callers tell it by this. */
        kst_err_reason(err, "TLSVerification");
        return KST_E_UNREACHABLE;
    }
    return kst_err_set(err, KST_E_UNREACHABLE, "no TLS connection to %s: %s", server, text);
}

static int timed_out(const struct kst_transfer *self, const char *server, struct kst_err **err)
{
    curl_off_t connected = 0;
    curl_easy_getinfo(self->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (connected == 0) {
        kst_err_set(err, KST_E_UNREACHABLE, "%s did not accept a connection in time", server);
        kst_err_hint(err, "is the address right, and no firewall between?");
        return KST_E_UNREACHABLE;
    }
    return kst_err_set(err, KST_E_TIMEOUT, "%s sent nothing for too long", server);
}

/* Of the way through a proxy; 0 where it is not the proxy that fails. */
static int proxy_error(const struct kst_transfer *self, const char *server, const char *text,
                       struct kst_err **err)
{
    if (!self->proxy)
        return 0;
    kst_auto_free char *proxy = host_of(self->proxy);
    long status = refused_tunnel(self);
    if (status) {
        kst_err_set(err, KST_E_UNREACHABLE, "the proxy %s refuses a tunnel to %s: HTTP %ld", proxy,
                    server, status);
        kst_err_hint(err, "%s",
                     status == 407 ? "give the proxy's user and password in its URL"
                                   : "ask who runs the proxy, or reach the server without it");
        return KST_E_UNREACHABLE;
    }
    if (self->result == CURLE_COULDNT_RESOLVE_PROXY)
        kst_err_set(err, KST_E_UNREACHABLE, "the name of the proxy %s cannot be resolved", proxy);
    else if (self->result == CURLE_COULDNT_CONNECT)
        kst_err_set(err, KST_E_UNREACHABLE, "no connection to the proxy %s, on the way to %s: %s",
                    proxy, server, text);
    else
        return 0;
    kst_err_hint(err, "check the proxy's URL (proxy-url in a kubeconfig)");
    return KST_E_UNREACHABLE;
}

int kst_transfer_error(struct kst_transfer *self, struct kst_err **err)
{
    kst_auto_free char *server = server_of(self);
    const char *text = *self->error ? self->error : curl_easy_strerror(self->result);
    int rc = proxy_error(self, server, text, err);
    if (rc < 0)
        return rc;
    if (self->too_large)
        return kst_err_set(err, KST_E_LIMIT,
                           "the answer of %s is larger than the %zu bytes allowed", server,
                           self->body->cap_bytes);
    switch (self->result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        kst_err_set(err, KST_E_UNREACHABLE, "the name of %s cannot be resolved", server);
        kst_err_hint(err, "check the name, and the DNS of this machine or Pod");
        return KST_E_UNREACHABLE;
    case CURLE_COULDNT_CONNECT:
        kst_err_set(err, KST_E_UNREACHABLE, "no connection to %s: %s", server, text);
        kst_err_hint(err, "is the server running there?");
        return KST_E_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(self, server, err);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return tls_error(server, text, err);
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return kst_err_set(err, KST_E_INVALID,
                           "the certificate or key to use for %s is not usable: %s", server, text);
    case CURLE_SEND_FAIL_REWIND: /* give_body() */
        return kst_err_set(err, KST_E_CLOSED,
                           "%s ended the connection before it answered; it may have executed the "
                           "request",
                           server);
    default:
        return kst_err_set(err, KST_E_CLOSED, "the connection to %s broke: %s", server, text);
    }
}

void kst_transfer_unpause(struct kst_transfer *self)
{
    curl_easy_pause(self->easy, CURLPAUSE_CONT);
}

/* The sooner of the request's own deadline and `never`. */
static int64_t deadline_of(const struct kst_http_request *request)
{
    return request->deadline_ms ? request->deadline_ms : KST_NEVER;
}

int kst_http_do(struct kst_loop *loop, const struct kst_http_request *request,
                struct kst_http_response *response, struct kst_buf *body, struct kst_err **err)
{
    response->status = 0;
    response->sent = false;
    response->retry_after_ms = -1;
    int rc = kst_fiber_check(err);
    if (rc < 0)
        return rc;
    struct kst_transfer *transfer = NULL;
    rc = kst_transfer_start(loop, request, KST_TRANSFER_COLLECT, &transfer, err);
    if (rc < 0)
        return rc;
    transfer->body = body;
    while (rc == 0 && !transfer->done)
        rc = kst_cond_wait(&transfer->changed, deadline_of(request), err);
    kst_transfer_response(transfer, response);
    if (rc == 0 && transfer->result != CURLE_OK)
        rc = kst_transfer_error(transfer, err);
    if (rc == KST_E_TIMEOUT && !response->sent) {
        kst_auto_free char *server = server_of(transfer);
        kst_err_wrap(err, rc, "connect to %s", server);
    }
    if (rc < 0)
        response->status = 0;
    kst_transfer_free(transfer);
    return rc;
}

void kst_http_response_release(struct kst_http_response *self)
{
    free(self->content_type);
    self->content_type = NULL;
}

int kst_url_escape(struct kst_buf *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char)*at;
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || strchr("-_.~", byte);
        int rc = plain ? kst_buf_addc(out, (char)byte) : kst_buf_addf(out, "%%%02X", byte);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void kst_http_global_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void kst_http_global_release(void)
{
    curl_global_cleanup();
}

const char *kst_http_version(void)
{
    return curl_version();
}
