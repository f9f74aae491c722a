"""What this API promises beyond what any OpenAPI document says; each is a check of schemathesis."""

import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import schemathesis
from schemathesis.core.failures import Failure

STATE = json.loads(Path(os.environ["TGA_FUZZ_STATE"]).read_text())
MEMBERS = ["data", "error", "meta"]
# Headers with what lives to the end of the run.
LIVING = {f"Bearer {credential}" for credential in (*STATE["keys"].values(), *STATE["sessions"])}
# What is served as it is.
DOCUMENTS = ("GET /openapi.json", "GET /asyncapi.json")
# Who makes a key or gives a role gives no scope that they lack.
GRANTING = {
    "POST /api-keys",
    "PATCH /api-keys/{id}",
    "POST /api-keys/{id}/rotate",
    "POST /invitations",
    "PATCH /members/{user_id}",
}

# Rules that no schema can say, since they are between fields, of the moment, or of lists that change: where what the
# schema admits may be refused with 400, and with which issue. Anything else is a gap in the document.
NOTES = r"description: is another name of readme: send one of them, or both with the same text$"
ITEM = r"((creators|videos)\[\d+\]\.)?"
HANDLE = (
    r"(a TikTok handle is 1 to 30 letters, digits, '\.', '_' or '-'"
    r"|a YouTube handle is the channel id: UC and 22 letters, digits, '_' or '-'"
    r"|an Instagram handle is 1 to 30 letters, digits, '\.' or '_')$"
)
VIDEO_ID = (
    r"(a TikTok video id is 1 to 20 digits"
    r"|a YouTube video id is 11 letters, digits, '_' or '-'"
    r"|an Instagram video id is 5 to 64 letters, digits, '_' or '-')$"
)
RANGE = (
    r"(be a range such as 203\.0\.113\.0/24 or 2001:db8::/32, or an address"
    r"|have host bits of 0: 203\.0\.113\.0/24, not 203\.0\.113\.7/24)$"
)
WHERE = (
    r"(begin with https://|be on port 443|not lead to an internal or reserved address|be plain ASCII"
    r"|not hold a user or a password|not have a fragment|name a host|have a port from 1 to 65535)"
)
BEYOND_SCHEMA = (
    # A cursor is opaque, and belongs to one list.
    (r"^GET /", r"^cursor: not a cursor of this list"),
    (r"^(POST|PATCH) /", rf"^{ITEM}{NOTES}"),
    # Of several fields one is required, or no more than one may be sent; clients would get a type for each.
    (r"^POST /projects/\{id\}/creators$", rf"^{ITEM}handle: is required, or tiktok_handle, or url$"),
    (r"^POST /projects/\{id\}/videos$", rf"^{ITEM}url: is required, or platform and platform_video_id$"),
    (r"^POST /projects/\{id\}/videos$", rf"^{ITEM}platform_video_id: needs platform beside it$"),
    (r"^PATCH /creators/", r"^tiktok_handle: is another name of handle: send one of them$"),
    (r"^PATCH /creators/", r"^tiktok_handle: the creator is on (youtube|instagram): send handle$"),
    # What is an account's or a video's address depends on the platform, and what else is sent.
    (r"^POST /projects/\{id\}/creators$", rf"^{ITEM}(handle|tiktok_handle|url): {HANDLE}"),
    (r"^POST /projects/\{id\}/creators$", rf"^{ITEM}url: not a profile URL of the form https://"),
    (r"^POST /projects/\{id\}/creators$", rf"^{ITEM}(tiktok_handle|url): names another account than the fields before it$"),
    (r"^POST /projects/\{id\}/creators$", rf"^{ITEM}platform: does not fit the account$"),
    (r"^POST /projects/\{id\}/videos$", rf"^{ITEM}url: not a video URL of the form https://"),
    (r"^POST /projects/\{id\}/videos$", rf"^{ITEM}platform_video_id: {VIDEO_ID}"),
    (r"^POST /projects/\{id\}/videos$", rf"^{ITEM}platform(_video_id)?: does not fit the URL$"),
    (r"^GET /", r"^from: must not be after to(, which is today by default)?$"),
    # Parameters that go only with each other, or with few buckets in the range.
    (r"^GET /analytics$", r"^(metric|base_metric): a \w+ has no \w+; it has \w+(, \w+)*$"),
    (r"^GET /analytics$", r"^base_metric: (goes only|is required) with metric=growth_rate_pop$"),
    (r"^GET /analytics$", r"^bucket_days: goes (only )?with granularity=custom$"),
    (r"^GET /analytics$", r"^breakdown: goes only with (entity|metric)=\w+(, \w+)*$"),
    (r"^GET /analytics$", r"^breakdown: goes with one entity_id$"),
    (r"^GET /analytics$", r"^granularity: \d+ buckets, at most 1100 are answered$"),
    (r"^GET /analytics/annotations$", r"^entity(_id: goes with entity|: goes with entity_id)$"),
    (r"^POST /projects/\{id\}/goals$", r"^end_date: must not be before start_date$"),
    (r"^PATCH /goals/\{id\}$", r"^(start|end)_date: the goal would end on .*, before it starts"),
    (r"^DELETE /members/", r"^transfer_to: is (required with keys=transfer|for keys=transfer alone)$"),
    (r"^GET /analytics/aggregate/view-distribution$", r"^bins: goes only with scale=linear$"),
    (r"^GET /api-keys/\{id\}/usage$", r"^from: must be at most 90 days back$"),
    # How deep and large it may be as a whole, and that its numbers are those of RFC 8785.
    (r"^(POST|PATCH) /", rf"^{ITEM}metadata: must be a JSON object of at most 16384 bytes and 8 levels$"),
    (r"^(POST|PATCH) /", rf"^{ITEM}metadata: number at (?s:.*) is not exactly representable: send it as a string$"),
    (r"^(POST|PATCH) /api-keys", r"^expires_at: must lie 60 seconds to 10 years ahead$"),
    # Of an address or a range of either family a pattern says only the characters.
    (r"^(POST|PATCH) /api-keys", rf"^ip_allowlist\[\d+\]: must {RANGE}"),
    # Where events may be sent, and that a type exists.
    (r"^(POST|PATCH) /webhooks", rf"^url: must {WHERE}"),
    (r"^(POST|PATCH) /webhooks", r"^types\[\d+\]: must be (an event type such as key\.revoked, or all of an entity|\w+\.\* or one of)"),
    # Of the trail: what there is, days of the calendar, and what goes with what.
    (r"^GET /audit/", r"^type: must be "),
    (r"^GET /audit/", r"^subject: must be <kind>/<id>, where <kind> is one of "),
    (r"^GET /audit/", r"^(from|to|at): not (a date of the form|an RFC 3339 instant such as)"),
    (r"^GET /audit/", r"^(after_position|to_position|position|from_size|to_size|tree_size): is beyond "),
    (r"^GET /audit/as-of$", r"^at: (must not be given beside position|is required, unless position is given|must not lie ahead)$"),
    (r"^GET /audit/export$", r"^to_position: must not be before after_position$"),
    (r"^GET /audit/export$", r"^seal: is about all events up to now: not with "),
    (r"^GET /audit/proof$", r"^position: give either position, with tree_size if need be, or from_size and to_size$"),
    (r"^GET /audit/proof$", r"^tree_size: must not be below position$"),
    (r"^GET /audit/proof$", r"^(from_size: is required with to_size|to_size: is required with from_size)$"),
    (r"^GET /audit/proof$", r"^from_size: must not be above to_size$"),
    (r" /", r"^(timezone|tz): not an IANA time zone"),
)


def scope_of(operation):
    return operation.definition.raw.get("x-scope")


def is_of_this_api(response):
    """Step 1 of the contract's order: who has no key learns nothing else."""
    return response.status_code not in (401, 429, 503)


def fail(case, title, message):
    raise Failure(operation=case.operation.label, title=title, message=message)


@schemathesis.check
def one_envelope(_context, response, case):
    """Every JSON answer is `{"data", "error", "meta"}`, of an error with a code that the document names for its status."""
    if "application/json" not in "".join(response.headers.get("content-type", [])):
        return
    if case.operation.label in DOCUMENTS and response.status_code == 200:
        return
    body = json.loads(response.content)
    if list(body) != MEMBERS:
        fail(case, "Not the envelope", f"members {list(body)}")
    if (body["error"] is None) != (response.status_code < 400):
        fail(case, "Not the envelope", f"status {response.status_code} with error {body['error']!r}")
    if response.status_code >= 400:
        if body["data"] is not None:
            fail(case, "Not the envelope", "an error with data")
        is_code_documented(case, response, body["meta"]["code"])


def is_code_documented(case, response, code):
    document = case.operation.schema.raw_schema
    documented = case.operation.definition.raw["responses"].get(str(response.status_code))
    if documented is None or response.request.method != case.operation.method.upper():
        return
    if "$ref" in documented:
        documented = document["components"]["responses"][documented["$ref"].rsplit("/", 1)[1]]
    codes = documented["content"]["application/json"].get("examples", {})
    if code not in codes:
        fail(case, "Undocumented code", f"{response.status_code} {code}; documented: {', '.join(codes)}")


@schemathesis.check
def scope_is_enforced(_context, response, case):
    """With the scope never `insufficient_scope` (but where more would be given), without it always, before all else."""
    # Another method of the path, no key, or a path that is none.
    if response.request.method != case.operation.method.upper() or response.status_code in (401, 405, 429, 503):
        return
    if response.status_code == 404 and not has_route(response, case):
        return
    scope, has, refusal = scope_of(case.operation), STATE["scopes"], refusal_of(response)
    if scope == "session" and not STATE["sessions"]:
        if refusal != ("forbidden", "session") and not is_malformed_header(response):
            fail(case, "A key where persons alone may be", f"{response.status_code} {response.text}")
    elif scope in ("none", "any", "session") or scope in has:
        code, required = refusal
        # Of what would be given: a scope that is there is none that is lacking.
        gives_more = case.operation.label in GRANTING and required not in has
        if code == "insufficient_scope" and not gives_more:
            fail(case, "Refused in spite of its scope", response.text)
        if refusal == ("forbidden", "session"):
            fail(case, "A person refused as none", response.text)
    elif refusal[0] != "insufficient_scope" and not is_malformed_header(response):
        fail(case, "Not refused without the scope", f"{scope} is needed, {has} are there: {response.status_code}")


def has_route(response, case):
    """Whether the path is the operation's: what stands for an id may be empty, or nothing that a path can hold."""
    path = urlsplit(response.request.url).path
    route = re.sub(r"\{\w+\}", "[^/]+", case.operation.path)
    return re.fullmatch(urlsplit(STATE["api"]).path + route, path) is not None


def refusal_of(response):
    """Code of a 403, and what it says is required."""
    if response.status_code != 403:
        return None, None
    body = json.loads(response.content)
    # Of a problem (RFC 9457) the members of `meta` stand at the top.
    meta = body.get("meta", body)
    return meta["code"], meta.get("required")


@schemathesis.check
def credentials_live(_context, response, case):
    """The run ends none of its own (hooks.py), so that one which is refused was lost by the service."""
    sent = response.request.headers.get("Authorization", "")
    if response.status_code == 401 and sent in LIVING:
        fail(case, "A living credential is refused", response.text)


def is_malformed_header(response):
    """A header that the gate itself reads is judged before the scope."""
    return response.status_code == 400 and b'"invalid_params"' in response.content


@schemathesis.check
def every_answer_is_labelled(_context, response, case):
    """Headers of every answer, and of every one to a key."""
    if response.status_code in (400, 414, 431) and "x-request-id" not in response.headers and not response.content:
        # The HTTP library itself refused what is no HTTP; what we refuse has the envelope.
        return
    wanted = ["x-request-id", "cache-control"]
    if is_of_this_api(response) and scope_of(case.operation) != "none":
        wanted += ["ratelimit", "ratelimit-policy"]
        if 200 <= response.status_code < 300:
            wanted.append("tga-position")
    missing = [name for name in wanted if name not in response.headers]
    if missing:
        fail(case, "Missing header", f"{response.status_code} without {', '.join(missing)}")


@schemathesis.check
def refused_for_a_reason(_context, response, case):
    """What the schema admits is refused with 400 only by a rule that a schema cannot say."""
    meta = case.meta
    if response.status_code != 400 or meta is None or not meta.generation.mode.is_positive:
        return
    allowed = [issue for where, issue in BEYOND_SCHEMA if re.search(where, case.operation.label)]
    issues = json.loads(response.content)["meta"].get("issues")
    if not issues:
        fail(case, "Refused without an issue", response.text)
    for issue in issues:
        text = f"{issue['path']}: {issue['message']}"
        if not any(re.search(pattern, text) for pattern in allowed):
            fail(case, "Refused, though the schema admits it", text)
