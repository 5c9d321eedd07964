# SPDX-License-Identifier: Apache-2.0
"""HTTP to the server under test: requests over kept connections, and watches."""

import http.client
import os
import ssl
import tempfile
import threading
import time
import urllib.parse

AGENT = "conformance"
TIMEOUT_S = 30
# Go's server needs no more than these to be encoded.
SAFE = "%/?&=:,()!+~@$;*'-._"


class Answer:
    def __init__(self, code, headers, body):
        self.code = code
        self.headers = headers
        self.body = body

    @property
    def content_type(self):
        return self.headers.get("Content-Type") or "-"


def context_of(target, with_identity):
    if target["insecure"]:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cadata=target["ca"])
    if with_identity and target["cert"]:
        with tempfile.TemporaryDirectory() as folder:
            cert, key = os.path.join(folder, "crt"), os.path.join(folder, "key")
            for path, text in ((cert, target["cert"]), (key, target["key"])):
                with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                    file.write(text)
            context.load_cert_chain(cert, key)
    return context


class Client:
    """One server. Threads may share it: each has connections of its own."""

    def __init__(self, target):
        self.target = target
        url = urllib.parse.urlsplit(target["server"])
        self.tls = url.scheme == "https"
        self.host = url.hostname
        self.port = url.port or (443 if self.tls else 80)
        self.prefix = url.path.rstrip("/")
        self.contexts = {who: context_of(target, who) for who in (True, False)} \
            if self.tls else {}
        self.kept = threading.local()
        self.token_secrets = True

    def connect(self, as_admin):
        if self.tls:
            return http.client.HTTPSConnection(self.host, self.port, timeout=TIMEOUT_S,
                                               context=self.contexts[as_admin])
        return http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)

    def send(self, connection, method, path, headers, body, as_admin):
        headers = {**{"User-Agent": AGENT, "Accept": "application/json"}, **headers}
        if headers.get("Authorization") == "none":
            del headers["Authorization"]
        elif as_admin and self.target["token"]:
            headers["Authorization"] = "Bearer " + self.target["token"]
        data = body.encode() if body is not None else None
        connection.request(method, self.prefix + urllib.parse.quote(path, safe=SAFE), body=data,
                           headers=headers)
        return connection.getresponse()

    def request(self, method, path, headers=None, body=None):
        """Whoever names Authorization is not the administrator."""
        headers = headers or {}
        as_admin = "Authorization" not in headers
        slot = "admin" if as_admin else "other"
        for attempt in (1, 2):
            connection = getattr(self.kept, slot, None)
            fresh = connection is None
            if fresh:
                connection = self.connect(as_admin)
                setattr(self.kept, slot, connection)
            try:
                response = self.send(connection, method, path, headers, body, as_admin)
                return Answer(response.status, response.headers,
                              response.read().decode("utf-8", "surrogateescape"))
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                connection.close()
                setattr(self.kept, slot, None)
                # A kept connection may have ended meanwhile; a fresh one must not.
                if fresh or attempt == 2:
                    raise
            except Exception:
                connection.close()
                setattr(self.kept, slot, None)
                raise
        raise AssertionError("not reached")

    def watch(self, path, headers=None):
        return Watch(self, path, headers or {})


class Watch:
    """A watch that reads its lines in a thread of its own. Ready when the headers are there."""

    def __init__(self, client, path, headers):
        as_admin = "Authorization" not in headers
        self.connection = client.connect(as_admin)
        self.response = client.send(self.connection, "GET", path, headers, None, as_admin)
        self.socket = self.connection.sock or self.response.fp.raw._sock
        self.lines = []
        self.ended = False
        self.changed = threading.Condition()
        self.answer = None
        if self.response.status != 200:
            self.answer = Answer(self.response.status, self.response.headers,
                                 self.response.read().decode())
            self.ended = True
            self.connection.close()
            return
        self.answer = Answer(200, self.response.headers, "")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while True:
                line = self.response.readline()
                if not line:
                    break
                if line.strip():
                    with self.changed:
                        self.lines.append(line.decode())
                        self.changed.notify_all()
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.response.close()
        self.connection.close()
        self.socket.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, satisfied, deadline_s):
        """Until satisfied(lines, ended), or the deadline; returns whether it was."""
        until = time.monotonic() + deadline_s
        with self.changed:
            while not satisfied(self.lines, self.ended):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(left)
        return True

    def close(self):
        try:
            self.socket.shutdown(2)
        except (OSError, AttributeError):
            pass
