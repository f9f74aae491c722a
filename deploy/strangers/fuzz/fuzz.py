"""Schemathesis against the served document: all checks, all phases, with a key of each set of scopes.

Environment: TGA_READY_FILE, TGA_DOCUMENT (the file), TGA_BINARY, TGA_DATA_DIR, TGA_FUZZ_SECONDS (of all runs together; no
limit with TGA_DEEP=1), TGA_FUZZ_SEED, TGA_FUZZ_ONLY (a set, as `read+write`), TGA_FUZZ_OUT (a folder for state and reports).
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from api import Api

HERE = Path(__file__).parent
# With each set its share of the time. The empty one is a key that always lacks the scope.
RUNS = {"read": 5, "write": 5, "read+write": 6, "keys": 4, "ingest": 2, "audit": 2, "": 2}
ALL_SCOPES = ["read", "write", "keys", "ingest", "audit"]
LIMITS = {
    "max_creators_per_org": 100_000,
    "max_tracked_videos_per_org": 1_000_000,
    "max_projects_per_org": 100_000,
    "max_api_keys_per_org": 100_000,
    "max_api_requests_per_day": 100_000_000,
    "max_requests_per_minute_per_key": 10_000_000,
}


def operator(*arguments):
    """An operator's command on the running system."""
    command = [os.environ["TGA_BINARY"], *arguments, "--data-dir", os.environ["TGA_DATA_DIR"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_org():
    """An org of its own: what is done here to it is nobody else's matter."""
    org = operator("orgs", "create", "--name", "Strangers", "--plan", "ultra").split()[-1]
    for name, value in LIMITS.items():
        operator("orgs", "set-limit", org, name, str(value))
    scopes, most = ",".join(ALL_SCOPES), str(LIMITS["max_requests_per_minute_per_key"])
    key = operator("keys", "create", org, "--name", "Chief", "--scopes", scopes, "--rate-limit-per-minute", most)
    return key.split()[-1]


def make_more(chief, pools, paths):
    """Some of each further kind of object that the document knows."""
    project, creators = pools["projects"][0], pools["creators"]
    weekly = {"metric": "views", "period": "weekly", "target_value": 100}
    kinds = {
        "campaigns": ("/projects/{id}/campaigns", [{"name": f"Campaign {number}"} for number in range(6)]),
        "goals": ("/projects/{id}/goals", [{**weekly, "creator_id": creator} for creator in creators[:6]]),
        "annotations": (
            "/analytics/annotations",
            [{"project_id": project, "date": "2026-01-12", "label": f"Mark {number}"} for number in range(6)],
        ),
    }
    for kind, (path, bodies) in kinds.items():
        if "post" in paths.get(path, ()):
            pools[kind] = [chief.call("POST", path.replace("{id}", project), body=body).data["id"] for body in bodies]


def make_objects(chief, rng, paths):
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
    make_more(chief, pools, paths)
    for number in range(20):
        made = chief.call("POST", "/api-keys", body={"name": f"Key {number}", "scopes": ["read"]})
        pools["api-keys"].append(made.data["id"])
    return pools, accounts, made.position


def make_keys(chief):
    """A key for each set of scopes."""
    keys = {}
    for name in {*RUNS, "audit", "ingest"} - {""}:
        body = {"name": f"Run {name}", "scopes": name.split("+"), "rate_limit_per_minute": 10_000_000}
        keys[name] = chief.call("POST", "/api-keys", body=body).data
    return keys


def held(operation, scopes):
    """Whether a key with these scopes may call it at all."""
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


def run(name, ready, chief_key, seconds, seed, out):
    """One run; gives schemathesis' exit code, and how often each operation was answered with each status."""
    chief = Api(ready["api"], chief_key)
    document = json.loads(Path(os.environ["TGA_DOCUMENT"]).read_text())
    pools, accounts, position = make_objects(chief, random.Random(seed), document["paths"])
    keys = make_keys(chief)
    folder = out / (name or "none")
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        "api": ready["api"],
        "chief_key": chief_key,
        "scopes": name.split("+") if name else [],
        "keys": {scopes: key["key"] for scopes, key in keys.items()},
        "protected": [
            chief.get("/api-keys/self").data["id"],
            *(key["id"] for key in keys.values()),
            pools["projects"][0],
        ],
        "pools": pools,
        "accounts": accounts,
        "position": position,
    }
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "schemathesis.toml").write_text(configuration(document, state["scopes"]))
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", folder / "schemathesis.toml", "--no-color"]
    command += ["run", os.environ["TGA_DOCUMENT"], "--url", ready["api"], "--seed", str(seed)]
    if state["scopes"] in (["ingest"], ["audit"], []):
        # There is nothing to go on to from what such a key may do.
        command += ["--phases", "examples,coverage,fuzzing"]
    if seconds is not None:
        command += ["--max-time", str(round(seconds))]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "TGA_FUZZ_STATE": str(folder / "state.json")}
    environment["PYTHONPATH"] = f"{HERE}:{HERE.parent}"
    log = folder / "log"
    with log.open("w") as to:
        code = subprocess.run(command, cwd=folder, env=environment, stdout=to, stderr=subprocess.STDOUT).returncode
    (folder / "state.json").unlink()
    if code:
        print(log.read_text())
    return code, [tuple(entry) for entry in json.loads((folder / "answers.json").read_text())]


def never_done(document, answers):
    """Operations that a key of some run may call, and none ever did: of these little was seen."""
    done = {label for label, status, _ in answers if status < 400 or status == 410}
    scopes = {scope for name in RUNS for scope in name.split("+")}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            label = f"{method.upper()} {path}"
            if held(operation, scopes) and label not in done:
                yield label


def main():
    seed = int(os.environ.get("TGA_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
    is_deep = os.environ.get("TGA_DEEP") == "1"
    total = None if is_deep else float(os.environ.get("TGA_FUZZ_SECONDS") or 240)
    print(f"TGA_FUZZ_SEED={seed}", flush=True)
    ready = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())
    out = Path(os.environ["TGA_FUZZ_OUT"])
    chosen = os.environ.get("TGA_FUZZ_ONLY")
    runs = {name: share for name, share in RUNS.items() if chosen in (None, name or "none")}
    chief_key, failed, answers = make_org(), [], []
    for name, share in runs.items():
        started = time.monotonic()
        seconds = None if total is None else max(5, total * share / sum(runs.values()))
        code, found = run(name, ready, chief_key, seconds, seed, out)
        answers += found
        if code:
            failed.append(name or "none")
        count = sum(times for _, _, times in found)
        print(f"  {name or 'none':<12} {time.monotonic() - started:6.1f} s {count:7} requests", flush=True)
    if chosen is None:
        document = json.loads(Path(os.environ["TGA_DOCUMENT"]).read_text())
        missed = list(never_done(document, answers))
        print("  never done: " + (", ".join(missed) or "none"))
    if failed:
        sys.exit(f"schemathesis found something with the scopes: {', '.join(failed)}")


if __name__ == "__main__":
    main()
