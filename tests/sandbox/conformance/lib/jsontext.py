# SPDX-License-Identifier: Apache-2.0
"""JSON whose numbers stay as they were written: 1.0 is not 1, and 9007199254740993 stays whole."""

import json
import re

COLUMNS = 96


class Number(str):
    """A number, by its text."""

    def __eq__(self, other):
        return isinstance(other, Number) and str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__

    def __repr__(self):
        return str(self)


def load(text):
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse)


def refuse(text):
    raise ValueError("%s is not JSON" % text)


def flat(value):
    """The value on one line."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(flat(item) for item in value) + "]"
    return "{" + ", ".join(flat(key) + ": " + flat(item) for key, item in value.items()) + "}"


def pretty(value, indent=0, taken=0):
    """The value over as few lines as are readable. `taken` columns before it are in use."""
    line = flat(value)
    if len(line) + indent + taken <= COLUMNS or not isinstance(value, (dict, list)) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, list):
        rows = [inner + pretty(item, indent + 2) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"
    rows = []
    for key, item in value.items():
        head = flat(key) + ": "
        rows.append(inner + head + pretty(item, indent + 2, len(head)))
    return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"


STEP = re.compile(r'\.?([^.\[\]"]+)|\["([^"]*)"\]|\[(\*|-?\d+)\]|\[([^=\]]+)=([^\]]*)\]')


class PathError(ValueError):
    pass


def path_steps(path):
    """The steps of a path: a.b, a["b.c"], a[0], a[-1], a[*], a[key=value]."""
    steps, at = [], 0
    if path == ".":
        return steps
    while at < len(path):
        match = STEP.match(path, at)
        if not match:
            raise PathError("not a path: %s" % path)
        key, quoted, index, field, value = match.groups()
        if index == "*":
            steps.append(("all",))
        elif index is not None:
            steps.append(("index", int(index)))
        elif field is not None:
            steps.append(("where", field, value))
        else:
            steps.append(("key", key if key is not None else quoted))
        at = match.end()
    return steps


def children(value, step):
    """The (container, key) pairs that a step leads to; empty where there is nothing."""
    if step[0] == "key":
        return [(value, step[1])] if isinstance(value, dict) and step[1] in value else []
    if not isinstance(value, list):
        return []
    if step[0] == "all":
        return [(value, at) for at in range(len(value))]
    if step[0] == "index":
        return [(value, step[1])] if -len(value) <= step[1] < len(value) else []
    return [(value, at) for at, item in enumerate(value)
            if str(get(item, step[1])) == step[2]]


def find(value, path):
    """Every (container, key) at the path; for the path "." there is none."""
    places, values = [], [value]
    for step in path_steps(path):
        places = [place for item in values for place in children(item, step)]
        values = [container[key] for container, key in places]
    return places


def get(value, path, absent=None):
    """What is at the path: the value, or a list where the path has [*]."""
    steps = path_steps(path)
    if not steps:
        return value
    found = [container[key] for container, key in find(value, path)]
    if ("all",) in steps:
        return found
    return found[0] if found else absent


def remove(value, path):
    for container, key in reversed(find(value, path)):
        del container[key]


def differences(expected, actual, path=""):
    """Lines that name each place where the two are not equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        lines = []
        for key in list(expected) + [key for key in actual if key not in expected]:
            name = path + ("." if path else "") + key if re.match(r"^[\w-]+$", key) \
                else '%s["%s"]' % (path, key)
            if key not in actual:
                lines.append("%s: missing, expected %s" % (name, flat(expected[key])))
            elif key not in expected:
                lines.append("%s: not expected, got %s" % (name, flat(actual[key])))
            else:
                lines += differences(expected[key], actual[key], name)
        return lines
    if isinstance(expected, list) and isinstance(actual, list):
        lines = []
        for at in range(max(len(expected), len(actual))):
            name = "%s[%d]" % (path, at)
            if at >= len(actual):
                lines.append("%s: missing, expected %s" % (name, flat(expected[at])))
            elif at >= len(expected):
                lines.append("%s: not expected, got %s" % (name, flat(actual[at])))
            else:
                lines += differences(expected[at], actual[at], name)
        return lines
    if type(expected) is type(actual) and expected == actual:
        return []
    return ["%s: expected %s, got %s" % (path or "body", flat(expected), flat(actual))]
