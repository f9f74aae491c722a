"""The API as a stranger calls it: one connection, JSON in and out."""

import http.client
import json
import time
import urllib.parse
from dataclasses import dataclass

# How it looks that an idle connection was closed by the other side.
CLOSED_WHILE_IDLE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
# What may be done twice without a key that says it is once.
REPEATABLE = ("GET", "HEAD")
# On a busy machine a check of a credential may take too long; nothing was done then, and it is tried again, so often.
TRIES = 5


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        # Figures are compared exactly, so no number passes through a float.
        return json.loads(self.body, parse_float=str)

    @property
    def data(self):
        return self.json["data"]

    @property
    def code(self):
        return (self.json["meta"] or {}).get("code")

    @property
    def position(self):
        return int(self.headers["tga-position"])


class Refused(Exception):
    """An answer of another status than the one that was expected."""


class Api:
    def __init__(self, url, key):
        self.url = urllib.parse.urlsplit(url)
        self.key = key
        self.connection = None

    def send(self, method, path, query=None, body=None, headers=None):
        """Sends a request as it is, and gives the answer, whatever it says."""
        target = self.url.path + path
        if query:
            target += "?" + urllib.parse.urlencode(query, safe=",/")
        sent = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        is_reused = self.connection is not None
        try:
            return self._exchange(method, target, body, sent)
        except CLOSED_WHILE_IDLE:
            # What was sent on a connection that had been closed never reached the server; on a new one that is no excuse,
            # and what may be done but once is not sent again: it may have been the server that broke off.
            may_repeat = method in REPEATABLE or "Idempotency-Key" in sent
            if not is_reused or not may_repeat:
                raise
            return self._exchange(method, target, body, sent)

    def _exchange(self, method, target, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.url.netloc, timeout=60)
        try:
            self.connection.request(method, target, body, headers)
            answer = self.connection.getresponse()
            read = answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            self.connection = None
            raise
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, read)

    def call(self, method, path, query=None, body=None, headers=None, expect=(200, 201)):
        answer = self.send(method, path, query, body, headers)
        for _ in range(1, TRIES):
            if answer.status != 503 or (method != "GET" and answer.code != "verification_unavailable"):
                break
            time.sleep(0.2)
            answer = self.send(method, path, query, body, headers)
        if answer.status not in expect:
            raise Refused(f"{method} {path} {query or ''}: {answer.status} {answer.body[:500]!r}")
        return answer

    def get(self, path, query=None, after=None):
        headers = {} if after is None else {"Tga-Min-Position": str(after)}
        return self.call("GET", path, query, headers=headers)

    def pages(self, path, query=None, after=None):
        """Every object of a list."""
        query = {"limit": 100, **(query or {})}
        while True:
            answer = self.get(path, query, after).json
            yield from answer["data"]
            cursor = answer["meta"]["nextCursor"]
            if cursor is None:
                return
            query["cursor"] = cursor

    def ingest(self, project, lines):
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        answer = self.call("POST", "/ingest/observations", {"project_id": project}, body, headers)
        if answer.data["accepted"] != len(lines):
            raise Refused(f"of {len(lines)} lines: {answer.data}")
        return answer.position
