/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the API server while it is served: what it asks for, who asks, and how the answer
 * is to look. For the files of this room.
 */
#ifndef KST_SANDBOX_SERVER_ASK_H
#define KST_SANDBOX_SERVER_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/api/rbac.h"
#include "sandbox/server/server.h"

struct kst_buf;
struct kst_httpd;
struct kst_object;
struct kst_openapi;
struct kst_resource;

struct kst_server {
    struct kst_loop *loop;
    struct kst_api *api;
    struct kst_httpd *httpd; /* NULL while the server is away */
    struct kst_openapi *openapi;
    int port;
    struct kst_server_options options;
    char *address, *url, *ca, *key, *admin_token;
    unsigned char secret[32]; /* signs the tokens of service accounts */
};

enum kst_ask_form { KST_FORM_OBJECT, KST_FORM_TABLE, KST_FORM_METADATA, KST_FORM_DISCOVERY };

enum {
    KST_ASK_PARTS = 12,
    KST_ASK_BODY_BYTES = 3 * 1024 * 1024,    /* of a request, as the real server's */
    KST_ASK_ANSWER_BYTES = 64 * 1024 * 1024, /* what Kassette's client takes */
};

struct kst_ask {
    struct kst_server *server;
    struct kst_httpd_request *http;
    const char *method;
    char *path; /* cut into parts */
    const char *parts[KST_ASK_PARTS];
    size_t nparts;

    /* Of a resource; "" where there is none. */
    const char *group, *version, *plural, *ns, *name, *subresource, *verb;
    const struct kst_resource *resource; /* NULL where it is not served */
    bool dry_run;

    struct kst_user user;
    enum kst_ask_form form;
    const char *form_version; /* of the Table, … */
    bool yaml;

    enum kst_server_fault fault;
    int code; /* that was answered */
};

/* What Accept asks for; false where nothing of it can be given. */
bool kst_ask_accept(struct kst_ask *self, const char *accept);
/* Splits the path, and finds out what it is about. */
void kst_ask_path(struct kst_ask *self, const char *path);
/* The field manager: its parameter, else the beginning of the User-Agent. Borrowed, or in `out`. */
const char *kst_ask_manager(const struct kst_ask *self, char *out, size_t size);
/* A parameter of the query that is "true" or "1". */
bool kst_ask_flag(const struct kst_ask *self, const char *name);

/* Answers; each request is answered once. */
void kst_ask_json(struct kst_ask *self, int code, const struct kst_json *value);
/* One object in the form that was asked for. */
void kst_ask_object(struct kst_ask *self, int code, const struct kst_json *object);
void kst_ask_status(struct kst_ask *self, struct kst_json *status); /* taken */
void kst_ask_text(struct kst_ask *self, int code, const char *content_type, const char *text,
                  size_t len);
/* The same of a buffer; one that has overflown is told to be too large. */
void kst_ask_buf(struct kst_ask *self, int code, const char *content_type,
                 const struct kst_buf *text);
/* PartialObjectMetadata; the caller owns it. */
struct kst_json *kst_ask_metadata_of(const struct kst_json *object, const char *version);
/* A Table of objects; `metadata` is the list's (NULL: of one object). The caller owns it. */
struct kst_json *kst_ask_table(const struct kst_ask *self, const struct kst_json *metadata,
                               const struct kst_json *const *objects, size_t count,
                               bool no_headers);

/* The body as JSON (YAML and protobuf are accepted where its type says so); NULL with *status
 * otherwise. */
struct kst_json *kst_ask_body(struct kst_ask *self, struct kst_json **status);
/* The Status for a body that is no object, which quotes its beginning. */
struct kst_json *kst_ask_unreadable(struct kst_ask *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What answers, by kind of request. */
void kst_serve_meta(struct kst_ask *ask);  /* discovery, health, version, OpenAPI */
void kst_serve_verbs(struct kst_ask *ask); /* one object, creations, deletions */
void kst_serve_list(struct kst_ask *ask);
void kst_serve_watch(struct kst_ask *ask);
/* Answers with a list of these objects. */
void kst_serve_objects(struct kst_ask *ask, int64_t version, struct kst_object **objects,
                       size_t count);
/* Subresources and questions that are no objects; false where it is none of these. */
bool kst_serve_special(struct kst_ask *ask);
void kst_serve_token(struct kst_ask *ask);  /* serviceaccounts/NAME/token */
void kst_serve_review(struct kst_ask *ask); /* TokenReview, SubjectAccessReview and their like */

#endif
