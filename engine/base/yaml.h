/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML on libyaml, to the values that kubectl (sigs.k8s.io/yaml over go-yaml v2) gives the same
 * text: YAML 1.1 booleans (yes, no, on, off, y, n as go-yaml has them) also in keys, where they
 * become the strings "true" and "false"; octal, hexadecimal and binary integers; quoted scalars
 * are strings; merge keys (<<); anchors, with a cap on what their expansion makes; numbers keep
 * their text where JSON can hold it. This module alone includes libyaml.
 */
#ifndef KST_BASE_YAML_H
#define KST_BASE_YAML_H

#include <stddef.h>

struct kst_buf;
struct kst_err;
struct kst_json;

/* Parses every document of the text into a JSON array (empty documents are left out). JSON is
 * accepted too, being YAML. KST_E_PARSE with "line L, column C: …"; KST_E_LIMIT for a text over
 * 64 MiB, depth over KST_JSON_DEPTH, or more than 1,000,000 nodes after expansion. */
int kst_yaml_parse_all(const char *text, size_t len, struct kst_json **documents,
                       struct kst_err **err);
/* As above, with exactly one document (KST_E_PARSE otherwise); an empty text gives null. */
int kst_yaml_parse(const char *text, size_t len, struct kst_json **out, struct kst_err **err);

/* Appends block style YAML as kubectl -o yaml prints it (keys in the value's own order, strings
 * quoted only where another reader would take them for something else, multi-line strings as |).
 * Parsing it again gives an equal value. KST_E_LIMIT where the buffer's cap ends it. */
int kst_yaml_print(const struct kst_json *value, struct kst_buf *out);

#endif
