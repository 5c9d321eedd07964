/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum { MOST = 16 };

struct connection {
    struct fake_tls *owner;
    int fd;
    pthread_t thread;
};

struct fake_tls {
    SSL_CTX *tls;
    char *url, *behind;
    int listener, port;
    int stop[2];
    pthread_t thread;
    struct connection connections[MOST];
    size_t count;
};

int fake_tls_connect(const char *host_port)
{
    const char *colon = strrchr(host_port, ':');
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        abort();
    return fd;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

void fake_tls_carry(int a, int b)
{
    struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    char data[16 * 1024];
    while (poll(fds, 2, -1) > 0) {
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents)
                continue;
            ssize_t n = recv(fds[i].fd, data, sizeof(data), 0);
            if (n <= 0 || send_all(fds[!i].fd, data, (size_t)n) < 0)
                return;
        }
    }
}

static void carry_tls(SSL *tls, int fd, int behind, int stop)
{
    struct pollfd fds[3] = {{.fd = fd, .events = POLLIN},
                            {.fd = behind, .events = POLLIN},
                            {.fd = stop, .events = POLLIN}};
    char data[16 * 1024];
    while (poll(fds, 3, -1) > 0 && !fds[2].revents) {
        if (fds[0].revents) {
            do {
                int n = SSL_read(tls, data, sizeof(data));
                if (n <= 0 || send_all(behind, data, (size_t)n) < 0)
                    return;
            } while (SSL_pending(tls) > 0);
        }
        if (fds[1].revents) {
            ssize_t n = recv(behind, data, sizeof(data), 0);
            if (n <= 0 || SSL_write(tls, data, (int)n) <= 0)
                return;
        }
    }
}

static void *serve(void *arg)
{
    struct connection *self = arg;
    SSL *tls = SSL_new(self->owner->tls);
    SSL_set_fd(tls, self->fd);
    if (SSL_accept(tls) == 1) {
        int behind = fake_tls_connect(self->owner->behind);
        carry_tls(tls, self->fd, behind, self->owner->stop[0]);
        SSL_shutdown(tls);
        close(behind);
    }
    ERR_clear_error();
    SSL_free(tls);
    close(self->fd);
    return NULL;
}

static void *run(void *arg)
{
    struct fake_tls *self = arg;
    struct pollfd fds[2] = {{.fd = self->stop[0], .events = POLLIN},
                            {.fd = self->listener, .events = POLLIN}};
    while (poll(fds, 2, -1) > 0 && !fds[0].revents && self->count < MOST) {
        int fd = accept(self->listener, NULL, NULL);
        if (fd < 0)
            continue;
        struct connection *connection = &self->connections[self->count++];
        connection->owner = self;
        connection->fd = fd;
        if (pthread_create(&connection->thread, NULL, serve, connection))
            abort();
    }
    return NULL;
}

static void use_pair(SSL_CTX *tls, const char *cert_pem, const char *key_pem)
{
    BIO *in = BIO_new_mem_buf(cert_pem, -1);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    in = BIO_new_mem_buf(key_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    if (SSL_CTX_use_certificate(tls, cert) != 1 || SSL_CTX_use_PrivateKey(tls, key) != 1)
        abort();
    X509_free(cert);
    EVP_PKEY_free(key);
}

struct fake_tls *fake_tls_start(const char *behind, const char *cert_pem, const char *key_pem)
{
    struct fake_tls *self = kst_calloc(1, sizeof(*self));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    self->tls = SSL_CTX_new(TLS_server_method());
    use_pair(self->tls, cert_pem, key_pem);
    self->behind = kst_strdup(behind);
    self->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(self->listener, (struct sockaddr *)&address, sizeof(address));
    rc = rc ? rc : listen(self->listener, MOST);
    rc = rc ? rc : getsockname(self->listener, (struct sockaddr *)&address, &len);
    rc = rc ? rc : pipe(self->stop);
    self->port = ntohs(address.sin_port);
    self->url = kst_asprintf("https://127.0.0.1:%d", self->port);
    rc = rc ? rc : pthread_create(&self->thread, NULL, run, self);
    if (rc)
        abort();
    return self;
}

const char *fake_tls_url(const struct fake_tls *self)
{
    return self->url;
}

int fake_tls_port(const struct fake_tls *self)
{
    return self->port;
}

void fake_tls_stop(struct fake_tls *self)
{
    close(self->stop[1]);
    pthread_join(self->thread, NULL);
    for (size_t i = 0; i < self->count; i++)
        pthread_join(self->connections[i].thread, NULL);
    close(self->stop[0]);
    close(self->listener);
    SSL_CTX_free(self->tls);
    free(self->behind);
    free(self->url);
    free(self);
}
