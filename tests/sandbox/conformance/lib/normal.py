# SPDX-License-Identifier: Apache-2.0
"""What differs from server to server and from run to run becomes <placeholders>.

Equal values get equal placeholders within a case, so that who is who stays visible. The same names
stand for the values in later requests of the case.
"""

import datetime
import random
import re

from jsontext import Number, find, get, remove

UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
PEM = re.compile(r"-----BEGIN [A-Z ]+-----[\s\S]*-----END [A-Z ]+-----\n?")
TOKEN_SECRET = re.compile(r"-token-[bcdfghjklmnpqrstvwxz0-9]{5}\b")
ADDRESS = re.compile(r"^\d+\.\d+\.\d+\.\d+$")
AGE = re.compile(r"^(<invalid>|\d+s|\d+m\d*s?)$")
NAME = re.compile(r"<([a-z][a-z0-9-]*(?::\d+)?)>")
TEXT_RV = re.compile(r'(resourceVersion: )"(\d+)"')
HASHES = ("pod-template-hash", "controller-revision-hash")
NEAR = datetime.timedelta(days=2)
ABSENT = "<absent>"


class UnknownName(ValueError):
    pass


def random_name(length):
    return "".join(random.choice("bcdfghjklmnpqrstvwxz") for _ in range(length))


class Names:
    """The placeholders of one case and what they stand for."""

    def __init__(self):
        self.values = {}  # "uid:1" -> value
        self.names = {}  # (sort, value) -> "uid:1"
        self.counts = {}
        self.texts = []  # (value, name): replaced wherever it occurs in a text

    def set(self, name, value):
        """A value that the case itself names: takes the place of the numbered placeholder."""
        value = str(value)
        self.values[name] = value
        if re.match(r"^\d+$", value):
            self.names["rv", value] = name
        elif UID.fullmatch(value):
            self.names["uid", value] = name
        elif len(value) >= 6:
            self.texts.append((value, name))
            self.texts.sort(key=lambda pair: -len(pair[0]))

    def made(self, sort, text):
        """A text of the server's making: known from here on wherever it occurs."""
        if text and not any(text == known for known, _ in self.texts):
            self.counts[sort] = self.counts.get(sort, 0) + 1
            self.set("%s:%d" % (sort, self.counts[sort]), text)

    def of(self, sort, value):
        key = (sort, str(value))
        if key not in self.names:
            self.counts[sort] = self.counts.get(sort, 0) + 1
            name = "%s:%d" % (sort, self.counts[sort])
            self.names[key] = name
            self.values[name] = str(value)
        return "<%s>" % self.names[key]

    def fill(self, text):
        """The text with values in place of placeholders."""
        def value(match):
            if match.group(1) not in self.values:
                raise UnknownName("<%s> is not known at this point" % match.group(1))
            return self.values[match.group(1)]
        return NAME.sub(value, text)

    def text(self, text):
        """A text with placeholders in place of what it contains of values."""
        text = PEM.sub("<pem>", text)
        for value, name in self.texts:
            text = text.replace(value, "<%s>" % name)
        text = UID.sub(lambda match: self.of("uid", match.group(0)), text)
        text = TOKEN_SECRET.sub("-token-<gen>", text)
        text = TIME.sub(time_name, text)
        return TEXT_RV.sub(lambda match: '%s"%s"' % (match.group(1),
                                                     self.of("rv", match.group(2))), text)

    def value(self, value, key="", listing=False):
        """`key` is where it was found; `listing` whether it is the metadata of a list."""
        if isinstance(value, dict):
            return self.mapping(value, key, listing)
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if isinstance(value, Number):
            return self.of("port", value) if key == "nodePort" and len(value) > 4 else value
        if not isinstance(value, str) or value == ABSENT:
            return value
        if key == "cells" and AGE.match(value):
            return "<age>"
        if key == "resourceVersion" and re.match(r"^\d{1,}$", value) and value != "0":
            return "<listrv>" if listing else self.of("rv", value)
        if key == "continue" and value:
            return self.of("continue", value)
        if key in ("clusterIP", "clusterIPs") and ADDRESS.match(value):
            return self.of("ip", value)
        return self.text(value)

    def mapping(self, value, key, listing):
        kind = value.get("kind")
        is_list = isinstance(kind, str) and (kind.endswith("List") or kind == "Table")
        bookmark = value.get("type") == "BOOKMARK"
        out = {}
        for inner, item in value.items():
            where = inner.rsplit(".", 1)[-1] if "." in inner else inner
            meta = (where == "metadata" and is_list) or (inner == "object" and bookmark) or \
                (where == "resourceVersion" and listing) or (listing and where == "metadata")
            out[self.text(inner)] = self.value(item, where, meta)
        return out


def time_name(match):
    try:
        moment = datetime.datetime.fromisoformat(match.group(1))
    except ValueError:
        return match.group(0)
    if abs(datetime.datetime.utcnow() - moment) > NEAR:
        return match.group(0)  # not the server's clock: it came from the request
    return "<microtime>" if match.group(2) else "<time>"


def drop_managed_fields(value):
    if isinstance(value, dict):
        metadata = value.get("metadata")
        if isinstance(metadata, dict):
            metadata.pop("managedFields", None)
        for item in value.values():
            drop_managed_fields(item)
    elif isinstance(value, list):
        for item in value:
            drop_managed_fields(item)


def register(names, value):
    """Gives names to what the server made up, before it is met within other texts."""
    if isinstance(value, list):
        for item in value:
            register(names, item)
    if not isinstance(value, dict):
        return
    for label in HASHES:
        text = value.get(label)
        if isinstance(text, str) and not isinstance(text, Number):
            names.made("hash", text.rsplit("-", 1)[-1])
    prefix, name = value.get("generateName"), value.get("name")
    if isinstance(prefix, str) and isinstance(name, str) and prefix and \
            name.startswith(prefix) and name != prefix:
        names.made("name", name)
    for item in value.values():
        register(names, item)


def selected(names, step, body):
    """The parts of a body that the step promises."""
    if not step.has("managed"):
        drop_managed_fields(body)
    for path in step.all("ignore"):
        for one in path.split():
            remove(body, names.fill(one))
    if step.has("only"):
        wanted = " ".join(step.all("only")).split()
        if not wanted:
            return None
        return {path: get(body, names.fill(path), ABSENT) for path in wanted}
    return body


def masked(step, text):
    """@mask REGEX: what the regular expression finds is not promised."""
    for pattern in step.all("mask"):
        text = re.sub(pattern, "<masked>", text)
    return text


def masked_value(step, value):
    if isinstance(value, dict):
        return {key: masked_value(step, item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked_value(step, item) for item in value]
    if isinstance(value, str) and not isinstance(value, Number):
        return masked(step, value)
    return value


def normalise(names, step, body):
    """`body` is what was parsed (and is used up), or text."""
    if isinstance(body, str):
        return None if step.has("only") else masked(step, names.text(body))
    listing = isinstance(body, dict) and (str(body.get("kind")).endswith("List") or
                                          body.get("kind") == "Table")
    register(names, body)
    body = selected(names, step, body)
    if body is None:
        return None
    if step.has("only"):
        body = {path: names.value(value, re.findall(r"[^.\[\]]+", path)[-1],
                                  listing and path.startswith("metadata"))
                for path, value in body.items()}
    else:
        body = names.value(body)
    return masked_value(step, body)


__all__ = ["ABSENT", "Names", "UnknownName", "find", "normalise", "random_name"]
