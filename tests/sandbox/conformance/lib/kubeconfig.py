# SPDX-License-Identifier: Apache-2.0
"""Where the server is and who we are: the current context of a kubeconfig file."""

import base64
import json
import os
import re


class ConfigError(ValueError):
    pass


def scalar(text):
    text = text.strip()
    if text[:1] == '"':
        return json.loads(text)
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text in ("", "null", "~"):
        return None
    if text in ("{}", "[]"):
        return {} if text == "{}" else []
    return {"true": True, "false": False}.get(text, text)


def block(lines, at, indent):
    """The mapping, sequence or scalar that begins at line `at`; returns it and the line after."""
    if at >= len(lines) or lines[at][0] < indent:
        return None, at
    indent = lines[at][0]
    if lines[at][1].startswith("- ") or lines[at][1] == "-":
        items = []
        while at < len(lines) and lines[at][0] == indent and lines[at][1][:1] == "-":
            inner = lines[at][1][1:]
            stripped = inner.lstrip()
            lines[at] = (indent + 1 + len(inner) - len(stripped), stripped)
            item, at = block(lines, at, indent + 1)
            items.append(item)
        return items, at
    mapping = {}
    while at < len(lines) and lines[at][0] == indent:
        match = re.match(r'("[^"]*"|[^:#]+):(?:\s+(.*))?$', lines[at][1])
        if not match:
            if mapping:
                break
            return scalar(lines[at][1]), at + 1
        key, text = scalar(match.group(1)), match.group(2)
        at += 1
        if text:
            mapping[key] = scalar(text)
        else:
            # A sequence may stand at the column of its key.
            inner = indent if at < len(lines) and lines[at][1][:1] == "-" else indent + 1
            mapping[key], at = block(lines, at, inner)
    return mapping, at


def parse(text):
    """The part of YAML that kubeconfig files are written in, or JSON."""
    if text.lstrip().startswith("{"):
        return json.loads(text)
    lines = []
    for line in text.splitlines():
        bare = line.rstrip()
        if bare and not bare.lstrip().startswith("#") and bare != "---":
            lines.append((len(bare) - len(bare.lstrip()), bare.lstrip()))
    return block(lines, 0, 0)[0]


def named(config, kind, name):
    for entry in config.get(kind + "s") or []:
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise ConfigError("the kubeconfig has no %s named %s" % (kind, name))


def pem(entry, key, folder):
    """The text of certificate or key, given as data or as a file."""
    data = entry.get(key + "-data")
    if data:
        return base64.b64decode(data).decode()
    path = entry.get(key)
    if not path:
        return None
    with open(os.path.join(folder, path), encoding="utf-8") as file:
        return file.read()


def load(path):
    """{server, ca, cert, key, token, insecure, name}, PEM as text."""
    with open(path, encoding="utf-8") as file:
        config = parse(file.read())
    folder = os.path.dirname(os.path.abspath(path))
    context = named(config, "context", config.get("current-context"))
    cluster = named(config, "cluster", context.get("cluster"))
    user = named(config, "user", context.get("user")) if context.get("user") else {}
    token = user.get("token")
    if not token and user.get("tokenFile"):
        with open(os.path.join(folder, user["tokenFile"]), encoding="utf-8") as file:
            token = file.read().strip()
    return {
        "server": cluster.get("server"),
        "ca": pem(cluster, "certificate-authority", folder),
        "insecure": bool(cluster.get("insecure-skip-tls-verify")),
        "name": cluster.get("tls-server-name"),
        "cert": pem(user, "client-certificate", folder),
        "key": pem(user, "client-key", folder),
        "token": token,
    }
