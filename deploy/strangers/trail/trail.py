"""The audit trail, as an auditor with foreign tools finds it: CloudEvents by CloudEvents' own library, each event's data
against the schema that it names, both hash chains computed anew, and every way to read the trail gives the same one."""

import hashlib
import json
import os
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass

import httpx
import httpx_sse
import jsonschema_rs
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from api import Api

PREFIX = "com.trackagoat."
UNHASHED = ("data", "prevhash", "hash")
# How long an event may take to a reader that follows; far more than it takes.
SOON = 20
PLAIN = httpx.Client(timeout=SOON)


class Found(Exception):
    """Something that the contract does not allow."""


def expect(holds, text):
    if not holds:
        raise Found(text)


def canonical(value):
    """RFC 8785; no event of this story has a number that is no integer."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass
class Story:
    """What is made here, and what it should leave behind."""

    api: Api
    url: str
    project: str
    key: dict


def tell(api, url):
    """A project, creators, readings, and a key that is made, narrowed and ended."""
    name = f"Trail {uuid.uuid4()}"
    project = api.call("POST", "/projects", body={"name": name, "metadata": {"ünï": [1, None, "\u2028\"\\"]}}).data["id"]
    handles = [f"trail.{uuid.uuid4().hex[:12]}" for _ in range(3)]
    creators = [{"handle": handle, "tracking_start_date": None} for handle in handles]
    api.call("POST", f"/projects/{project}/creators", body={"creators": creators})
    lines = []
    for n in range(5):
        named = {"platform": "tiktok", "platform_video_id": str(uuid.uuid4().int % 10**18)}
        found = {"kind": "video", **named, "observed_at": "2026-01-02T00:00:00Z", "creator_handle": handles[n % 3]}
        lines.append({**found, "title": f"={n}\tgoats", "posted_at": "2026-01-01T00:00:00Z"})
        lines.append({"kind": "video_stats", **named, "observed_at": "2026-01-02T00:00:00Z", "view_count": n})
    return Story(api, url, project, key_of(api)), lines


def key_of(api, scopes=("read", "audit")):
    return api.call("POST", "/api-keys", body={"name": "Auditor", "scopes": list(scopes)}).data


def exported(api, **query):
    answer = api.get("/audit/export", query)
    expect(answer.headers["content-type"].startswith("application/x-ndjson"), "an export is NDJSON")
    expect("attachment" in answer.headers["content-disposition"], "an export is an attachment")
    return answer.body.splitlines()


class Schemas:
    """What `dataschema` leads to, asked for once each, without a credential."""

    def __init__(self, url):
        self.host = httpx.URL(url).copy_with(path="/", query=None)
        self.known = {}

    def check(self, event):
        path = event["dataschema"]
        if path not in self.known:
            answer = PLAIN.get(self.host.join(path))
            expect(answer.status_code == 200, f"{path}: {answer.status_code}")
            self.known[path] = jsonschema_rs.validator_for(answer.json())
        self.known[path].validate(event["data"])


def judge(lines, org, schemas):
    """A whole trail, from its first event on: every line by itself, the chains, the order."""
    ends = {"decisions": (0, "0" * 64), "observations": (0, "0" * 64)}
    last = (0, "")
    events = []
    for line in lines:
        parsed = JSONFormat().read(CloudEvent, line)
        event = json.loads(line)
        expect(canonical(event) == line, f"not canonical: {line[:200]}")
        expect(parsed.get_type() == event["type"] and event["type"].startswith(PREFIX), "type")
        expect(parsed.get_source() == f"/orgs/{org}", f"an event of {parsed.get_source()}")
        schemas.check(event)
        version, previous = ends[event["stream"]]
        expect(int(event["streamversion"]) == version + 1, f"{event['stream']} {version} is followed by {event['streamversion']}")
        expect(event["prevhash"] == previous, f"position {event['position']}: not the hash before it")
        envelope = {name: value for name, value in event.items() if name not in UNHASHED}
        computed = hashlib.sha256(bytes.fromhex(previous) + canonical(envelope) + canonical(event["data"])).hexdigest()
        expect(computed == event["hash"], f"position {event['position']}: hash is not that of its content")
        place = (int(event["position"]), event["time"])
        expect(place > last and place[1] >= last[1], f"position {event['position']} after {last}")
        expect("tga_" not in line.decode() or '"prefix"' in line.decode(), "a credential")
        ends[event["stream"]] = (version + 1, event["hash"])
        last = place
        events.append(event)
    expect(all(version > 0 for version, _ in ends.values()), "one of the streams is empty")
    return events


def name_of(event):
    return event["type"].removeprefix(PREFIX).rsplit(".v", 1)[0]


def lists(api, events):
    """The list says what the export says, whole and by each filter."""
    listed = list(api.pages("/audit/events", {"stream": "all", "after_position": 0}))
    expect(listed[: len(events)] == events, "list and export differ")
    newest = api.get("/audit/events", {"limit": 5}).data
    decisions = [event for event in listed if event["stream"] == "decisions"]
    expect(newest == decisions[:-6:-1], "the list begins with the newest decisions")
    some = decisions[-1]
    middle = decisions[len(decisions) // 2]
    filters = [
        ({"type": name_of(some)}, lambda event: name_of(event) == name_of(some)),
        ({"type": "key.*,project.added"}, lambda event: name_of(event).split(".")[0] == "key" or name_of(event) == "project.added"),
        ({"subject": some["subject"]}, lambda event: event["subject"] == some["subject"]),
        ({"actor": some["actor"]}, lambda event: event["actor"] == some["actor"]),
        ({"from": middle["time"]}, lambda event: event["time"] >= middle["time"]),
        ({"to": middle["time"]}, lambda event: event["time"] <= middle["time"]),
        ({"subject": f"keys/{uuid.uuid4()}"}, lambda event: False),
    ]
    for query, fits in filters:
        got = [event["position"] for event in api.pages("/audit/events", {"after_position": 0, **query})]
        wanted = [event["position"] for event in decisions if fits(event)]
        expect(got == wanted, f"{query}: {len(got)} events, {len(wanted)} expected")


def as_of(api, story, events):
    """A key is there from the event that made it to the one that ended it."""
    of_key = [event for event in events if event["subject"] == f"keys/{story.key['id']}"]
    made, ended = (int(event["position"]) for event in (of_key[0], of_key[-1]))
    for position, is_there in ((made - 1, False), (made, True), (ended - 1, True), (ended, False)):
        then = api.get("/audit/as-of", {"position": position}).data
        keys = {key["id"] for key in then["keys"]}
        expect((story.key["id"] in keys) == is_there, f"at {position} the key is {'not ' if is_there else ''}there")
    head = api.get("/audit/as-of", {"position": ended}).position
    refused = api.send("GET", "/audit/as-of", {"position": head + 1_000_000})
    expect((refused.status, refused.code) == (400, "invalid_query"), f"the future: {refused.status}")


class Follower(threading.Thread):
    """Follows the trail by another library, is cut off now and then, and goes on by the last id."""

    def __init__(self, url, key, after):
        super().__init__(daemon=True)
        self.url, self.key, self.last = url, key, after
        self.seen, self.end, self.cuts = [], None, 0
        self.fails = None

    def run(self):
        try:
            while self.end is None:
                self.follow()
        except Exception as error:  # Told in the thread that waits.
            self.fails = error

    def follow(self):
        headers = {"Authorization": f"Bearer {self.key}", "Last-Event-ID": str(self.last)}
        with httpx.Client(timeout=30) as client:
            with httpx_sse.connect_sse(client, "GET", f"{self.url}/audit/stream", headers=headers) as source:
                if source.response.status_code == 401:
                    self.end = {"code": "refused"}
                    return
                for count, message in enumerate(source.iter_sse(), 1):
                    if message.event == "end":
                        self.end = message.json()
                        return
                    event = message.json()
                    expect(message.id == event["position"], "the id is the position")
                    expect(message.event == name_of(event), "the event is the type's name")
                    expect(int(message.id) > self.last, f"{message.id} after {self.last}")
                    self.last = int(message.id)
                    self.seen.append(event)
                    if count % 7 == 0:
                        self.cuts += 1
                        return

    def has(self, position):
        deadline = time.monotonic() + SOON
        while self.last < position and self.fails is None:
            expect(time.monotonic() < deadline, f"position {position} did not come")
            time.sleep(0.02)
        if self.fails:
            raise self.fails


def follow(story, after):
    """Nothing is missed and nothing comes twice while the story goes on; the key's end ends it. What was followed, and the head."""
    api = story.api
    key = key_of(api, ("audit",))
    follower = Follower(story.url, key["key"], after)
    follower.start()
    for n in range(30):
        position = api.call("PATCH", f"/projects/{story.project}", body={"name": f"Followed {n}"}).position
    follower.has(position)
    expect(follower.cuts >= 3, "it was not cut off")
    api.call("DELETE", f"/api-keys/{key['id']}")
    later = api.call("PATCH", f"/projects/{story.project}", body={"name": "Not for the ended"}).position
    follower.join(SOON)
    expect(follower.end is not None, "the stream goes on behind the end of its key")
    expect(follower.end["code"] in ("invalid_api_key", "refused"), f"it ended with {follower.end}")
    beyond = [event for event in follower.seen if int(event["position"]) >= later]
    expect(not beyond, "what happened behind the end of its key was sent to whoever held it")
    lines = exported(api, after_position=after, to_position=int(follower.seen[-1]["position"]))
    expect([json.loads(line) for line in lines] == follower.seen, "stream and export differ")
    return len(follower.seen), later


def follow_by_eventsource(story, after):
    """The same with another language's client, which reconnects by itself."""
    changes = 40
    key = key_of(story.api, ("audit",))["key"]
    command = ["node", os.environ["TGA_FOLLOW"], story.url, str(after), str(changes)]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TGA_KEY": key})
    # Else all may be there before it connects, and come in one piece that cannot be cut.
    expect(follower.stdout.readline() == "open\n", "eventsource did not connect")
    for n in range(changes):
        position = story.api.call("PATCH", f"/projects/{story.project}", body={"name": f"Followed again {n}"}).position
    told, _ = follower.communicate(timeout=3 * SOON)
    expect(follower.returncode == 0, "eventsource did not get what happened")
    told = json.loads(told)
    lines = exported(story.api, after_position=after, to_position=position, type="project.changed")
    expect([int(json.loads(line)["position"]) for line in lines] == told["seen"], "eventsource missed or repeated something")
    expect(told["cuts"] >= 1, "eventsource was not cut off")
    return changes


def main():
    with open(os.environ["TGA_READY_FILE"], encoding="utf-8") as file:
        ready = json.load(file)
    began = time.monotonic()
    url, org = ready["api"], ready["demo"]["org_id"]
    api = Api(url, ready["demo"]["api_key"])
    story, lines = tell(api, url)
    api.ingest(story.project, lines)
    api.call("PATCH", f"/api-keys/{story.key['id']}", body={"scopes": ["audit"]})
    head = api.call("DELETE", f"/api-keys/{story.key['id']}").position
    trail = exported(api, to_position=head)
    events = judge(trail, org, Schemas(url))
    expect(int(events[-1]["position"]) == head, "the export ends before the end")
    half = int(events[len(events) // 2]["position"])
    expect(exported(api, after_position=half, to_position=head) == trail[len(events) // 2 + 1 :], "an export goes on where it was")
    lists(api, events)
    as_of(api, story, events)
    # A read may be behind what was just written: the command says from where on to follow.
    followed, head = follow(story, head)
    followed += follow_by_eventsource(story, head)
    took = time.monotonic() - began
    print(f"trail: {len(events)} events judged, {followed} followed, {took:.1f} s")


if __name__ == "__main__":
    main()
