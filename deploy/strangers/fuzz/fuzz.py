"""Schemathesis against the served document: all checks, all phases, with keys of seven sets of scopes and with sessions.

Environment: TGA_READY_FILE, TGA_DOCUMENT (the file), TGA_BINARY, TGA_DATA_DIR, TGA_FUZZ_SECONDS (of all runs together; no
limit with TGA_DEEP=1), TGA_FUZZ_SEED (one at random with TGA_DEEP=1), TGA_FUZZ_ONLY (a set, as `read+write`, or `session`),
TGA_FUZZ_OUT (a folder for state and reports).
"""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import people
from api import Api

HERE = Path(__file__).parent
# Of each kind so many are there to the end of a run.
NEEDED = 2
# With each set its share of the time. The empty one is a key that always lacks the scope, SESSION an admin's session.
SESSION = "session"
RUNS = {"read": 5, "write": 5, "read+write": 6, "keys": 4, SESSION: 6, "ingest": 1, "audit": 1, "": 2}
# In so many seconds chance may leave out as many operations; without a limit it leaves out none.
MISSED_BY_CHANCE = 4
# Operations that no run need have done, and why.
NEVER_DONE = {
    # It never ends; `trail` follows it.
    "GET /audit/stream",
    # Whatever is sent to nobody waits for three days, and what waits is not sent again.
    "POST /webhooks/{id}/deliveries/{delivery_id}/resend",
}
# Of a run that is not deep: what it finds is to be of the change under test, and found again.
SEED = 20260105
ALL_SCOPES = ["read", "write", "keys", "ingest", "audit"]
LIMITS = {
    "max_creators_per_org": 100_000,
    "max_tracked_videos_per_org": 1_000_000,
    "max_projects_per_org": 100_000,
    "max_members_per_org": 100_000,
    "max_campaigns_per_project": 100_000,
    "max_campaign_items_per_campaign": 100_000,
    "max_goals_per_creator": 100_000,
    "max_annotations_per_project": 100_000,
    "max_api_keys_per_org": 100_000,
    "max_api_requests_per_day": 100_000_000,
    "max_requests_per_minute_per_key": 10_000_000,
}


def operator(*arguments):
    """An operator's command on the running system."""
    command = [os.environ["TGA_BINARY"], *arguments, "--data-dir", os.environ["TGA_DATA_DIR"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_org():
    """An org, and a key with all its scopes: what is done here to it is nobody else's matter."""
    org = operator("orgs", "create", "--name", "Strangers", "--plan", "ultra").split()[-1]
    for name, value in LIMITS.items():
        operator("orgs", "set-limit", org, name, str(value))
    scopes, most = ",".join(ALL_SCOPES), str(LIMITS["max_requests_per_minute_per_key"])
    key = operator("keys", "create", org, "--name", "Chief", "--scopes", scopes, "--rate-limit-per-minute", most)
    return key.split()[-1]


def make_more(chief, pools):
    """Some of each further kind of object, and what is in the first campaigns."""
    project, creators = pools["projects"][0], pools["creators"]
    weekly = {"metric": "views", "period": "weekly", "target_value": 100}
    mark = {"project_id": project, "date": "2026-01-12"}

    def made(path, bodies):
        return [chief.call("POST", path, body=body).data["id"] for body in bodies]

    pools["campaigns"] = made(f"/projects/{project}/campaigns", [{"name": f"Campaign {n}"} for n in range(6)])
    # Where nobody is: what is sent there fails at once. The org has but twenty, for all runs.
    nowhere = {"url": "http://127.0.0.1:9/", "types": ["goal.*"]}
    there = [one["id"] for one in chief.pages("/webhooks")]
    pools["webhooks"] = there[:NEEDED] or made("/webhooks", [nowhere] * NEEDED)
    pools["goals"] = made(f"/projects/{project}/goals", [{**weekly, "creator_id": creator} for creator in creators[:6]])
    pools["annotations"] = made("/analytics/annotations", [{**mark, "label": f"Mark {n}"} for n in range(6)])
    pools["invitations"] = made("/invitations", [{"email": people.address()} for _ in range(6)])
    items = []
    # Those of the first project alone, of which the campaigns are.
    for number, campaign in enumerate(pools["campaigns"][:NEEDED]):
        held = [("creator", creator) for creator in creators[number:12:NEEDED]]
        held += [("video", video) for video in pools["videos"][number:24:NEEDED]]
        body = {"items": [{"item_type": kind, "item_id": id} for kind, id in held]}
        if chief.call("POST", f"/campaigns/{campaign}/items", body=body).data["summary"]["error"]:
            raise RuntimeError("a campaign did not take what it is to hold")
        items += [(campaign, kind, id) for kind, id in held]
    return items


def make_objects(chief, rng):
    """Projects, creators, videos with readings, and keys: what the requests are about."""
    pools = {"projects": [], "creators": [], "videos": [], "api-keys": []}
    accounts = {"creators": [], "videos": []}
    for number in range(3):
        project = chief.call("POST", "/projects", body={"name": f"Project {number}"}).data["id"]
        pools["projects"].append(project)
        handles = [f"goat.{rng.getrandbits(60):x}" for _ in range(12)]
        creators = [
            {"handle": handle, "tracking_start_date": None, "tracking_mode": "selective" if place % 3 else "auto"}
            for place, handle in enumerate(handles)
        ]
        answer = chief.call("POST", f"/projects/{project}/creators", body={"creators": creators}).data
        pools["creators"] += [result["id"] for result in answer["results"]]
        videos, lines = [str(rng.getrandbits(60)) for _ in range(24)], []
        for place, video in enumerate(videos):
            common = {"platform": "tiktok", "platform_video_id": video}
            found = {"observed_at": "2026-01-05T00:00:00Z", "creator_handle": handles[place % 12]}
            lines.append({"kind": "video", **common, **found})
            for day in range(10, 20):
                told = {"observed_at": f"2026-01-{day}T00:00:00Z", "view_count": day * place, "like_count": day}
                lines.append({"kind": "video_stats", **common, **told})
        position = chief.ingest(project, lines)
        pools["videos"] += [video["id"] for video in chief.pages("/videos", {"project_id": project}, position)]
        accounts["creators"] += handles
        accounts["videos"] += videos
    items = make_more(chief, pools)
    for number in range(20):
        made = chief.call("POST", "/api-keys", body={"name": f"Key {number}", "scopes": ["read"]})
        pools["api-keys"].append(made.data["id"])
    return pools, accounts, items, made.position


def make_keys(chief):
    """A key for each set of scopes."""
    keys = {}
    for name in {*RUNS, "audit", "ingest"} - {"", SESSION}:
        body = {"name": f"Run {name}", "scopes": name.split("+"), "rate_limit_per_minute": 10_000_000}
        keys[name] = chief.call("POST", "/api-keys", body=body).data
    return keys


def scopes_of(name):
    """What a run's credential may, and what only persons may."""
    return [*ALL_SCOPES, SESSION] if name == SESSION else name.split("+") if name else []


def held(operation, scopes):
    """Whether who has these scopes may call it at all."""
    return operation.get("x-scope") in ("none", "any", *scopes)


def configuration(document, scopes):
    """What is forbidden to a key is tried with examples alone, unless all is: else that would be most of the time."""
    lacking = [
        operation["operationId"]
        for item in document["paths"].values()
        for operation in item.values()
        if scopes and not held(operation, scopes)
    ]
    text = (HERE / "schemathesis.toml").read_text()
    if lacking:
        text += f"\n[[operations]]\ninclude-operation-id = {json.dumps(lacking)}\n"
        text += "".join(f"phases.{phase}.enabled = false\n" for phase in ("coverage", "fuzzing", "stateful"))
    return text


@dataclass
class Setting:
    """What all runs have in common: an org with people, and another one in which they are invited."""

    api: str
    org: str
    chief_key: str
    elsewhere: dict
    person: dict
    others: list

    @classmethod
    def made(cls, api):
        chief_key, elsewhere_key = make_org(), make_org()
        chief, elsewhere = Api(api, chief_key), Api(api, elsewhere_key)
        person, others = people.make_people(api, chief, elsewhere)
        org, there = (one.get("/orgs/self").data["id"] for one in (chief, elsewhere))
        return cls(api, org, chief_key, {"org_id": there, "chief_key": elsewhere_key}, person, others)


def state_of(name, setting, seed):
    """What hooks and rules know of a run, with objects that are made for it."""
    chief = Api(setting.api, setting.chief_key)
    pools, accounts, items, position = make_objects(chief, random.Random(seed))
    keys, ids, sessions = make_keys(chief), [], []
    if name == SESSION:
        ids, sessions = people.make_sessions(setting.api, setting.org, setting.person)
    members = [setting.person["user_id"], *(other["user_id"] for other in setting.others)]
    pools |= {"members": members, "sessions": ids, "orgs": [setting.elsewhere["org_id"]]}
    protected = [chief.get("/api-keys/self").data["id"], *(key["id"] for key in keys.values()), pools["projects"][0]]
    protected += [*members, *ids, *pools["invitations"]]
    for kind in ("creators", "videos", "campaigns", "goals", "annotations", "webhooks"):
        protected += pools[kind][:NEEDED]
    return {
        "api": setting.api,
        "org_id": setting.org,
        "chief_key": setting.chief_key,
        "elsewhere": setting.elsewhere,
        "person": setting.person,
        "people": setting.others,
        "sessions": sessions,
        "scopes": [scope for scope in scopes_of(name) if scope != SESSION],
        "keys": {scopes: key["key"] for scopes, key in keys.items()},
        "protected": protected,
        "pools": pools,
        "items": items,
        "accounts": accounts,
        "position": position,
    }


def command_of(name, api, folder, seconds, seed):
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml", "--no-color"]
    command += ["run", os.environ["TGA_DOCUMENT"], "--url", api, "--seed", str(seed)]
    if name in ("ingest", "audit", ""):
        # There is nothing to go on to from what such a key may do.
        command += ["--phases", "examples,coverage,fuzzing"]
    if name == SESSION:
        command += ["--rate-limit", f"{people.REQUESTS_PER_SECOND}/s"]
    if seconds is not None:
        command += ["--max-time", str(round(seconds))]
    return command


def run(name, setting, seconds, seed, out):
    """One run; gives schemathesis' exit code, and how often each operation was answered with each status."""
    document = json.loads(Path(os.environ["TGA_DOCUMENT"]).read_text())
    folder = out / (name or "none")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "state.json").write_text(json.dumps(state_of(name, setting, seed)))
    (folder / "schemathesis.toml").write_text(configuration(document, scopes_of(name)))
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "TGA_FUZZ_STATE": str(folder / "state.json")}
    environment["PYTHONPATH"] = f"{HERE}:{HERE.parent}"
    command, log = command_of(name, setting.api, folder, seconds, seed), folder / "log"
    with log.open("w") as to:
        code = subprocess.run(command, cwd=folder, env=environment, stdout=to, stderr=subprocess.STDOUT).returncode
    (folder / "state.json").unlink()
    if code:
        print(log.read_text())
    return code, [tuple(entry) for entry in json.loads((folder / "answers.json").read_text())]


def never_done(document, answers):
    """Operations that none of the runs ever did: of these little was seen."""
    done = {label for label, status, _ in answers if status < 400 or status == 410}
    scopes = {scope for name in RUNS for scope in scopes_of(name)}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            label = f"{method.upper()} {path}"
            if held(operation, scopes) and label not in done and label not in NEVER_DONE:
                yield label


def main():
    is_deep = os.environ.get("TGA_DEEP") == "1"
    seed = int(os.environ.get("TGA_FUZZ_SEED") or (random.SystemRandom().randrange(2**32) if is_deep else SEED))
    total = None if is_deep else float(os.environ.get("TGA_FUZZ_SECONDS") or 195)
    print(f"TGA_FUZZ_SEED={seed}", flush=True)
    ready = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())
    out = Path(os.environ["TGA_FUZZ_OUT"])
    chosen = os.environ.get("TGA_FUZZ_ONLY") or None
    runs = {name: share for name, share in RUNS.items() if chosen in (None, name or "none")}
    if not runs:
        sys.exit(f"there is no run {chosen!r}; those there are: {', '.join(name or 'none' for name in RUNS)}")
    setting, failed, answers = Setting.made(ready["api"]), [], []
    for name, share in runs.items():
        started = time.monotonic()
        seconds = None if total is None else max(5, total * share / sum(runs.values()))
        code, found = run(name, setting, seconds, seed, out)
        answers += found
        if code:
            failed.append(name or "none")
        count = sum(times for _, _, times in found)
        print(f"  {name or 'none':<12} {time.monotonic() - started:6.1f} s {count:7} requests", flush=True)
    missed = []
    if chosen is None:
        missed = list(never_done(json.loads(Path(os.environ["TGA_DOCUMENT"]).read_text()), answers))
        print("  never done: " + (", ".join(missed) or "none"))
    if failed:
        sys.exit(f"schemathesis found something with the scopes: {', '.join(failed)}")
    if len(missed) > (0 if is_deep else MISSED_BY_CHANCE):
        sys.exit("operations that no run did are as good as untried")


if __name__ == "__main__":
    main()
