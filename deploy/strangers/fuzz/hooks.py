"""What schemathesis must know to get behind the first check: keys, ids that exist, and what is not to be ended.

Loaded by schemathesis itself (SCHEMATHESIS_HOOKS); `fuzz.py` tells it through TGA_FUZZ_STATE what there is.
"""

import atexit
import hashlib
import json
import os
import random
import re
import threading
from collections import Counter
from pathlib import Path

import people
import rules
import schemathesis
from api import Api
from lines import lines

STATE = json.loads(Path(os.environ["TGA_FUZZ_STATE"]).read_text())
CHIEF = Api(STATE["api"], STATE["chief_key"])
PEOPLE = people.Helpers(CHIEF, STATE)
# What is sent besides the requests of schemathesis goes one after the other.
CHIEF_LOCK = threading.Lock()
UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.I)
IDEMPOTENCY_KEY = re.compile(r"^[!-~]{1,255}$")
# Which kind of object an id of this name is of; of `entity_id` and `item_id` it depends.
KIND_OF_NAME = {
    "project_id": "projects",
    "creator_id": "creators",
    "creator_ids": "creators",
    "video_ids": "videos",
    "campaign_ids": "campaigns",
    "user_id": "members",
    "transfer_to": "members",
    "org_id": "orgs",
}
KIND_OF_ENTITY = {"project": "projects", "creator": "creators", "video": "videos", "campaign": "campaigns"}
# Of GET /analytics: what goes with what.
NOT_OF_VIDEOS = ("followers", "posts", "engagement_rate_by_followers", "posts_per_week", "avg_views_per_post")
BREAKDOWNS = ("views", "likes", "comments", "shares", "saves", "engagement_rate_by_views")


class Seen:
    """Ids and positions that the server told of."""

    def __init__(self):
        self.ids = {id for ids in STATE["pools"].values() for id in ids}
        self.position = STATE["position"]

    def note(self, response):
        position = response.headers.get("tga-position")
        if position:
            self.position = max(self.position, int(position[0]))
        if len(self.ids) < 200_000:
            self.ids.update(re.findall(r'"(?:\w*id)":"([0-9a-f-]{36})"', response.text or ""))


SEEN = Seen()
# How often each operation was answered with each status.
ANSWERS = Counter()


@atexit.register
def write_answers():
    found = [[label, status, count] for (label, status), count in ANSWERS.items()]
    Path(os.environ["TGA_FUZZ_STATE"]).with_name("answers.json").write_text(json.dumps(found))


def chance(case, text):
    """A generator that decides the same for the same request, so that a failure shrinks and repeats."""
    return random.Random(hashlib.sha256(f"{case.operation.label} {text}".encode()).digest())


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.auth(refresh_interval=None, retry_on=[])
class Credential:
    """The key under test; or for each operation one that lacks its scope; or, to be ended by its holder, one of its own."""

    def get(self, case, _context):
        label = case.operation.label
        if STATE["sessions"]:
            if label in ("DELETE /sessions/self", "DELETE /members/self"):
                with CHIEF_LOCK:
                    return PEOPLE.session_elsewhere()
            return PEOPLE.next_session()
        if label == "DELETE /api-keys/self":
            return make_key("To end itself", STATE["scopes"] or ["read"])["key"]
        if STATE["scopes"]:
            return STATE["keys"]["+".join(STATE["scopes"])]
        return STATE["keys"]["audit" if rules.scope_of(case.operation) != "audit" else "ingest"]

    def set(self, case, credential, _context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {credential}"}


def make_key(name, scopes):
    body = {"name": name, "scopes": scopes, "rate_limit_per_minute": 1_000_000}
    return make("/api-keys", body)


def make(path, body):
    with CHIEF_LOCK:
        return CHIEF.call("POST", path, body=body).data


def disposable(case, kind, id):
    """An object that nobody misses, in place of one that is needed to the end; of other kinds `id` itself."""
    rng, project = random.SystemRandom(), STATE["pools"]["projects"][0]
    if kind == "api-keys":
        return make_key("To be ended", ["read"])["id"]
    if kind == "projects":
        return make("/projects", {"name": "To be removed"})["id"]
    if kind == "creators":
        return make(f"/projects/{project}/creators", {"handle": f"g{rng.getrandbits(100):x}"[:30]})["id"]
    if kind == "videos":
        body = {"platform": "tiktok", "platform_video_id": str(rng.getrandbits(60))}
        return make(f"/projects/{project}/videos", body)["id"]
    if kind == "campaigns":
        return make(f"/projects/{project}/campaigns", {"name": "To be removed"})["id"]
    if kind == "goals":
        goal = {"creator_id": disposable(case, "creators", id), "metric": "posts", "period": "daily", "target_value": 9}
        return make(f"/projects/{project}/goals", goal)["id"]
    if kind == "webhooks":
        return spare_webhook()
    if kind == "annotations":
        body = {"project_id": project, "date": "2026-01-13", "label": "To be removed"}
        return make("/analytics/annotations", body)["id"]
    with CHIEF_LOCK:
        return PEOPLE.disposable(kind, is_answer=case.operation.label in people.ANSWERS) or id


def spare_webhook():
    """An org has but twenty: when they are made, one of those that nobody needs."""
    nowhere = {"url": "http://127.0.0.1:9/", "types": ["goal.*"]}
    with CHIEF_LOCK:
        made = CHIEF.call("POST", "/webhooks", body=nowhere, expect=(201, 409))
        if made.status == 201:
            return made.data["id"]
        others = [one["id"] for one in CHIEF.pages("/webhooks") if one["id"] not in STATE["protected"]]
    return random.SystemRandom().choice(others)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    name_what_exists(case)
    if case.meta is None or case.meta.generation.mode.is_positive:
        # What is wrong on purpose must stay so.
        give_sense(case)
    if case.operation.label == "POST /sessions" and isinstance(case.body, dict):
        name_an_org(case)
    tame_headers(case)
    if case.media_type == "application/x-ndjson" and case.body != "":
        rng = chance(case, repr(case.body))
        # Whatever is sent is text: there is no way to send another type.
        if not isinstance(case.body, str) or rng.random() < 0.8:
            case.body = lines(rng, STATE["accounts"])


def give_sense(case):
    if case.path == "/analytics" and isinstance(case.query, dict):
        case.query = with_sense(case.query, chance(case, json.dumps(case.query, default=str)))
    if case.operation.label == "POST /api-keys" and isinstance(case.body, dict):
        case.body = with_scopes_of_mine(case.body, chance(case, json.dumps(case.body, default=str)))
    if case.operation.label == "DELETE /campaigns/{id}/items" and isinstance(case.query, dict):
        name_an_item(case)


def name_what_exists(case):
    """In place of most ids that nobody has, such that somebody has."""
    # What stands before the id: of /analytics/annotations/{id}, annotations.
    kind = case.path.partition("/{")[0].rsplit("/", 1)[-1]
    path = dict(case.path_parameters or {})
    for name, value in path.items():
        # Invitations that are there are mostly to somebody else.
        if is_unknown(value) or (is_id(value) and case.operation.label in people.ANSWERS):
            path[name] = known(case, kind, value)
        if path[name] in STATE["protected"] and case.method not in ("GET", "HEAD", "OPTIONS"):
            path[name] = disposable(case, kind, path[name])
    if path != (case.path_parameters or {}):
        case.path_parameters = path
    query = case.query
    if isinstance(query, dict):
        case.query = {name: with_known(case, query, name, value) for name, value in query.items()}
    if isinstance(case.body, dict):
        body = {name: with_known(case, case.body, name, value) for name, value in case.body.items()}
        case.body = whole(body)


def name_an_item(case):
    """Mostly something that is in the campaign: whatever was taken out of it is put in again."""
    rng = chance(case, json.dumps(case.query, default=str))
    if rng.random() < 0.2 or not is_id(case.query.get("item_id")) or str(case.query.get("item_type")) not in KIND_OF_ENTITY:
        return
    campaign, kind, item = rng.choice(STATE["items"])
    with CHIEF_LOCK:
        body = {"item_type": kind, "item_id": item}
        # It may be in it still, or be removed by now.
        CHIEF.call("POST", f"/campaigns/{campaign}/items", body=body, expect=(201, 404, 409))
    case.path_parameters = {**case.path_parameters, "id": campaign}
    case.query = {**case.query, "item_type": kind, "item_id": item}


def name_an_org(case):
    """Another org than the run's own, of which the person is a member: in its own the oldest session would end."""
    org = STATE["elsewhere"]["org_id"]
    if case.body.get("org_id") == STATE["org_id"]:
        case.body = {**case.body, "org_id": org}
    if STATE["sessions"] and case.body.get("org_id") == org:
        with CHIEF_LOCK:
            PEOPLE.join_elsewhere()


def whole(value):
    """5.0, which to JSON Schema is an integer, and to this API none (section 1.1 of the contract), as 5."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(entry) for entry in value]
    return {name: whole(entry) for name, entry in value.items()} if isinstance(value, dict) else value


def is_id(value):
    return isinstance(value, str) and UUID.match(value) is not None


def is_unknown(value):
    return is_id(value) and value not in SEEN.ids


def known(case, kind, value):
    rng, pool = chance(case, value), STATE["pools"].get(kind)
    return rng.choice(pool) if pool and rng.random() < 0.8 else value


def with_known(case, members, name, value):
    kind = KIND_OF_NAME.get(name)
    if name in ("entity_id", "item_id"):
        kind = KIND_OF_ENTITY.get(str(members.get("entity") or members.get("item_type")))
    if kind is None:
        return value
    if isinstance(value, list) and value and all(map(is_unknown, value)) and len(set(value)) == len(value):
        pool = STATE["pools"].get(kind, ())
        return chance(case, value[0]).sample(pool, len(value)) if len(value) <= len(pool) else value
    return known(case, kind, value) if is_unknown(value) else value


def with_sense(query, rng):
    """Parameters that go together, of mostly such zones and days as there are; a few are left as they came."""
    if rng.random() < 0.15:
        return query
    query = dict(query)
    if isinstance(query.get("tz"), str):
        query["tz"] = rng.choice(("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"))
    if query.get("granularity") == "custom":
        query.setdefault("bucket_days", 7)
    elif query.get("granularity", "day") in ("day", "week", "month"):
        query.pop("bucket_days", None)
    if all(isinstance(query.get(name, ""), str) for name in ("from", "to")):
        first = rng.randrange(1, 28)
        query["from"] = f"2026-01-{first:02}"
        query["to"] = f"2026-0{rng.randrange(1, 7)}-{rng.randrange(first, 29):02}"
    if query.get("entity") == "video" and query.get("metric") in NOT_OF_VIDEOS:
        query["metric"] = "views"
    if query.get("metric") != "growth_rate_pop":
        query.pop("base_metric", None)
    elif "base_metric" not in query or (query.get("entity") == "video" and query["base_metric"] in NOT_OF_VIDEOS):
        query["base_metric"] = rng.choice(("views", "likes"))
    if not may_break_down(query):
        query.pop("breakdown", None)
    return query


def may_break_down(query):
    """One creator or campaign, by something that is counted of videos."""
    ids = query.get("entity_id")
    is_one = len(ids) == 1 if isinstance(ids, list) else "," not in str(ids)
    return is_one and query.get("entity") in ("creator", "campaign") and query.get("metric") in BREAKDOWNS


def with_scopes_of_mine(body, rng):
    """A key gives no scope that it lacks, so most keys that are asked for get only such as are there."""
    scopes = body.get("scopes", [])
    if rng.random() < 0.3 or not isinstance(scopes, list) or not set(map(str, scopes)) <= set(STATE["keys"]):
        return body
    return {**body, "scopes": STATE["scopes"] or ["read"]}


def tame_headers(case):
    """Each request sees what was written before it, and seldom is the repetition of another."""
    headers = dict(case.headers or {})
    names = {name.lower(): name for name in headers}
    wanted = names.get("tga-min-position")
    if wanted is None and case.method == "GET":
        headers["Tga-Min-Position"] = str(SEEN.position)
    elif wanted and re.fullmatch(r"[0-9]{1,19}", str(headers[wanted])) and int(headers[wanted]) > SEEN.position:
        # What has not happened yet is waited for, and then refused with 503; that is tried elsewhere.
        headers[wanted] = str(SEEN.position)
    once = names.get("idempotency-key")
    if once and IDEMPOTENCY_KEY.match(str(headers[once])) and chance(case, str(case.body)).random() < 0.9:
        del headers[once]
    case.headers = headers


@schemathesis.hook
def after_call(_context, case, response):
    # The document's examples are nobody's ids.
    if case.path != "/openapi.json":
        SEEN.note(response)
    if response.request.method == case.operation.method.upper():
        ANSWERS[case.operation.label, response.status_code] += 1
