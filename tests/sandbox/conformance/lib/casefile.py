# SPDX-License-Identifier: Apache-2.0
"""The files of cases: see README.md for the format."""

import os
import re

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
VERBS = METHODS + ("WATCH", "EVENTS", "WAIT", "SLEEP")
DIRECTIVES = ("only", "ignore", "let", "check", "until", "count", "end", "deadline", "managed",
              "mask", "body", "header", "repeat")


class FormatError(ValueError):
    pass


class Step:
    def __init__(self, line, verb, target):
        self.line = line
        self.verb = verb
        self.target = target
        self.headers = []
        self.directives = []
        self.body = None
        self.source = []  # the lines of the request, as written
        self.status = None  # the recorded answer: "201 application/json"
        self.answer_headers = []
        self.answer = None  # text

    def all(self, name):
        return [text for key, text in self.directives if key == name]

    def one(self, name, default=None):
        found = self.all(name)
        return found[-1] if found else default

    def has(self, name):
        return any(key == name for key, _ in self.directives)


class Case:
    def __init__(self, theme, name, line):
        self.theme = theme
        self.name = name
        self.line = line
        self.head = []
        self.steps = []


class CaseFile:
    def __init__(self, path):
        self.path = path
        self.theme = os.path.splitext(os.path.basename(path))[0]
        self.head = []
        self.cases = []


def trimmed(lines):
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    while lines and not lines[0].strip():
        lines = lines[1:]
    return lines


def read(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    out, at = CaseFile(path), 0
    while at < len(lines) and not lines[at].startswith("=== "):
        out.head.append(lines[at])
        at += 1
    while at < len(lines):
        case = Case(out.theme, lines[at][4:].strip(), at + 1)
        if not re.match(r"^[a-z0-9-]+$", case.name):
            raise FormatError("%s:%d: a case's name is lower case words with -" % (path, at + 1))
        at += 1
        while at < len(lines) and not lines[at].startswith((">>> ", "=== ")):
            case.head.append(lines[at])
            at += 1
        while at < len(lines) and lines[at].startswith(">>> "):
            step, at = read_step(path, lines, at)
            case.steps.append(step)
        if not case.steps:
            raise FormatError("%s:%d: %s has no steps" % (path, case.line, case.name))
        out.cases.append(case)
        if at < len(lines) and not lines[at].startswith("=== "):
            raise FormatError("%s:%d: expected >>> or ===" % (path, at + 1))
    return out


def read_step(path, lines, at):
    words = lines[at][4:].strip().split(" ", 1)
    step = Step(at + 1, words[0], words[1].strip() if len(words) > 1 else "")
    if step.verb not in VERBS:
        raise FormatError("%s:%d: %s is none of %s" % (path, at + 1, step.verb, " ".join(VERBS)))
    start = at
    at += 1
    while at < len(lines) and lines[at].strip() and not lines[at].startswith(("<<<", ">>>", "===")):
        line = lines[at].strip()
        if line.startswith("@"):
            name, _, text = line[1:].partition(" ")
            if name not in DIRECTIVES:
                raise FormatError("%s:%d: unknown directive @%s" % (path, at + 1, name))
            step.directives.append((name, text.strip()))
        else:
            name, colon, text = line.partition(":")
            if not colon:
                raise FormatError("%s:%d: neither a header nor a @directive" % (path, at + 1))
            step.headers.append((name.strip(), text.strip()))
        at += 1
    body = []
    while at < len(lines) and not lines[at].startswith(("<<<", ">>>", "===")):
        body.append(lines[at])
        at += 1
    step.source = trimmed(lines[start:at])
    body = trimmed(body)
    if body:
        step.body = "\n".join(body) + "\n"
    if at < len(lines) and lines[at].startswith("<<<"):
        step.status = lines[at][3:].strip()
        at += 1
        answer = []
        while at < len(lines) and not lines[at].startswith((">>>", "===")):
            answer.append(lines[at])
            at += 1
        count = len(step.all("header"))
        step.answer_headers, answer = answer[:count], answer[count:]
        step.answer = "\n".join(trimmed(answer))
    return step, at


def write(file):
    out = trimmed(file.head)
    for case in file.cases:
        if out:
            out.append("")
        out.append("=== " + case.name)
        out += trimmed(case.head)
        for step in case.steps:
            out.append("")
            out += step.source
            if step.status is not None:
                out.append("<<< " + step.status)
                out += step.answer_headers
                if step.answer:
                    out += step.answer.split("\n")
    with open(file.path + ".new", "w", encoding="utf-8") as stream:
        stream.write("\n".join(out) + "\n")
    os.replace(file.path + ".new", file.path)
