# SPDX-License-Identifier: Apache-2.0
"""Plays one case against a server, and says where the answers differ from the recorded ones."""

import copy
import os
import re
import time

import jsontext
from jsontext import Number
from normal import Names, UnknownName, normalise, random_name

BODIES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bodies")
DEADLINE_S = 15
POLL_S = 0.03
# How long a watch must stay silent after the events that were asked for.
SILENCE_S = 0.15
NAMESPACES = ("ns", "ns2")


class StepError(Exception):
    """The case cannot go on."""


class Player:
    def __init__(self, client, case):
        self.client = client
        self.case = case
        self.names = Names()
        self.watches = {}
        self.created = []  # paths, to be deleted
        self.problems = []  # (line, [text])
        self.text = "\n".join(line for step in case.steps for line in step.source)

    def play(self, record):
        """Problems; with `record` the answers are put into the case instead of compared."""
        try:
            self.set_up()
            for step in self.case.steps:
                self.step(step, record)
        except (StepError, UnknownName, OSError, jsontext.PathError, ValueError) as error:
            self.problems.append((getattr(self, "line", self.case.line),
                                  ["%s: %s" % (type(error).__name__, error)]))
        finally:
            self.tear_down()
        return self.problems

    # Surroundings

    def set_up(self):
        self.names.set("id", "c" + random_name(7))
        for name in NAMESPACES:
            if "<%s>" % name in self.text:
                self.names.set(name, "conf-" + random_name(8))
                self.make_namespace(self.names.values[name])

    def make_namespace(self, name):
        answer = self.client.request(
            "POST", "/api/v1/namespaces", {"Content-Type": "application/json"},
            '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"%s"}}' % name)
        if answer.code != 201:
            raise StepError("namespace %s: %d %s" % (name, answer.code, answer.body[:200]))
        base = "/api/v1/namespaces/" + name
        self.poll(base + "/configmaps/kube-root-ca.crt", lambda answer: answer.code == 200)
        # Before 1.24 a ServiceAccount gets a Secret with a token; Pods are refused until then.
        answer = self.poll(base + "/serviceaccounts/default",
                           lambda answer: answer.code == 200 and
                           ('"secrets"' in answer.body or not self.client.token_secrets), 3)
        if '"secrets"' not in answer.body:
            self.client.token_secrets = False  # of a server without them: not waited for again

    def poll(self, path, satisfied, deadline_s=DEADLINE_S):
        until = time.monotonic() + deadline_s
        while True:
            answer = self.client.request("GET", path)
            if satisfied(answer) or time.monotonic() > until:
                return answer
            time.sleep(POLL_S)

    def tear_down(self):
        for watch in self.watches.values():
            watch.close()
        try:
            if "finalizers" in self.text:
                for path in self.created:
                    if "/customresourcedefinitions/" in path:
                        continue  # its finalizer is the server's own
                    self.client.request("PATCH", path,
                                        {"Content-Type": "application/merge-patch+json"},
                                        '{"metadata":{"finalizers":null}}')
            for path in reversed(self.created):
                if not any("/namespaces/%s/" % self.names.values[name] in path
                           for name in NAMESPACES if name in self.names.values):
                    self.client.request("DELETE", path)
            for name in NAMESPACES:
                if name in self.names.values:
                    self.client.request("DELETE", "/api/v1/namespaces/" + self.names.values[name])
        except OSError as error:
            self.problems.append((self.case.line, ["clean-up: %s" % error]))

    # Steps

    def step(self, step, record):
        self.line = step.line
        if step.verb == "SLEEP":
            time.sleep(float(step.target))
            return
        if step.verb == "WATCH":
            name, _, path = step.target.partition(" ")
            self.watches[name] = self.client.watch(self.names.fill(path), self.headers(step))
            return
        answer = self.events(step) if step.verb == "EVENTS" else \
            self.wait(step) if step.verb == "WAIT" else self.request(step)
        body = self.parsed(answer)
        for text in step.all("let"):
            self.let(text, body)
        shown = normalise(self.names, step, copy.deepcopy(body))
        for text in step.all("check"):
            if not self.holds(text, answer, body):
                self.problem(step, ["@check %s does not hold" % text])
        headers = ["%s: %s" % (name, self.names.text(answer.headers.get(name, "-")))
                   for name in step.all("header")]
        status = "%d %s" % (answer.code, answer.content_type)
        if record:
            step.status = status
            step.answer_headers = headers
            step.answer = "" if shown is None else \
                shown.rstrip("\n") if isinstance(shown, str) else jsontext.pretty(shown)
        else:
            self.compare(step, status, headers, shown)

    def headers(self, step):
        return {name: self.names.fill(text) for name, text in step.headers}

    def request(self, step):
        answer = None
        for number in range(1, int(step.one("repeat", "1")) + 1):
            self.names.values["n"] = str(number)
            path, body, headers = self.names.fill(step.target), step.body, self.headers(step)
            if step.has("body"):
                with open(os.path.join(BODIES, step.one("body")), encoding="utf-8") as file:
                    body = file.read()
            if body is not None:
                body = self.names.fill(body)
                headers.setdefault("Content-Type", "application/json" if body[0] in "{["
                                   else "application/yaml")
            answer = self.client.request(step.verb, path, headers, body)
            self.remember(step.verb, path, answer)
        return answer

    def remember(self, verb, path, answer):
        """What was created is to be deleted."""
        if answer.code != 201 or "dryRun" in path:
            return
        path = path.split("?")[0]
        if verb == "POST":
            name = jsontext.get(self.parsed(answer), "metadata.name")
            if not name or re.search(r"/(binding|eviction|token)$", path):
                return
            path += "/" + name
        self.created.append(path)

    def wait(self, step):
        conditions = step.all("until")

        def satisfied(answer):
            body = self.parsed(answer)
            return all(self.holds(text, answer, body) for text in conditions)

        until = time.monotonic() + float(step.one("deadline", DEADLINE_S))
        while True:
            answer = self.client.request("GET", self.names.fill(step.target), self.headers(step))
            if satisfied(answer):
                return answer
            if time.monotonic() > until:
                self.problem(step, ["@until %s was not to be seen in time" % text
                                    for text in conditions])
                return answer
            time.sleep(POLL_S)

    def events(self, step):
        """The events of a watch as a list; what the server answered where it refused."""
        watch = self.watches.get(step.target)
        if watch is None:
            raise StepError("there is no watch named %s" % step.target)
        deadline = float(step.one("deadline", DEADLINE_S))
        if step.has("end"):
            if not watch.wait(lambda lines, ended: ended, deadline):
                self.problem(step, ["the watch has not ended"])
        else:
            count = int(step.one("count", "0"))
            if not watch.wait(lambda lines, ended: ended or len(lines) >= count, deadline):
                self.problem(step, ["%d events came, expected %d" % (len(watch.lines), count)])
            watch.wait(lambda lines, ended: len(lines) > count, SILENCE_S)
        if watch.answer.code == 200:
            watch.answer.body = "[" + ",".join(watch.lines) + "]"
        return watch.answer

    @staticmethod
    def parsed(answer):
        if "json" in answer.content_type or answer.body[:1] == "{":  # /openapi/v2 is text/plain
            try:
                return jsontext.load(answer.body)
            except ValueError:
                return "not JSON: " + answer.body
        return answer.body

    def let(self, text, body):
        name, _, path = text.partition("=")
        value = jsontext.get(body, self.names.fill(path.strip()))
        if not isinstance(value, str):
            raise StepError("@let %s: there is nothing in the answer" % text)
        self.names.set(name.strip(), value)

    # Comparing

    def operand(self, text, answer, body):
        text = text.strip()
        if text == "code":
            return Number(answer.code)
        if text.startswith("<"):
            return self.names.fill(text)
        if text.startswith("len("):
            return Number(len(jsontext.get(body, self.names.fill(text[4:-1])) or []))
        if re.match(r'^("|-?\d|null$|true$|false$)', text):
            return jsontext.load(self.names.fill(text))
        return jsontext.get(body, self.names.fill(text))

    def holds(self, text, answer, body):
        match = re.match(r"^(.+?) (==|!=|<|>|<=|>=|matches) (.+)$", text)
        if not match:
            raise StepError("not a condition: %s" % text)
        left = self.operand(match.group(1), answer, body)
        if match.group(2) == "matches":
            return isinstance(left, str) and re.search(match.group(3).strip("/"), left) is not None
        right = self.operand(match.group(3), answer, body)
        if match.group(2) in ("==", "!="):
            same = jsontext.flat(left) == jsontext.flat(right)
            return same == (match.group(2) == "==")
        try:
            left, right = int(left), int(right)
        except (TypeError, ValueError):
            return False
        return {"<": left < right, ">": left > right, "<=": left <= right,
                ">=": left >= right}[match.group(2)]

    def compare(self, step, status, headers, shown):
        if step.status is None:
            self.problem(step, ["nothing is recorded for this step: see --record"])
            return
        found = []
        if status != step.status:
            found.append("answer: expected %s, got %s" % (step.status, status))
        if headers != step.answer_headers:
            found.append("headers: expected %s, got %s" % (step.answer_headers, headers))
        if step.answer or shown:
            found += self.body_differences(step, shown)
        if found:
            self.problem(step, found)

    @staticmethod
    def body_differences(step, shown):
        if isinstance(shown, str):
            if shown.rstrip("\n") == step.answer:
                return []
            return ["text: expected %r, got %r" % (step.answer[:300], shown[:300])]
        try:
            expected = jsontext.load(step.answer)
        except ValueError:
            return ["body: expected the text %r, got %s" % (step.answer[:300],
                                                           jsontext.flat(shown)[:300])]
        return jsontext.differences(expected, shown)

    def problem(self, step, texts):
        self.problems.append((step.line, texts))
