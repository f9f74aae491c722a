"""Schemathesis against the served document: all checks, all phases, with a key of each set of scopes.

Environment: TGA_READY_FILE, TGA_DOCUMENT, TGA_BINARY, TGA_DATA_DIR, TGA_FUZZ_SECONDS (of all runs together; none with TGA_DEEP=1),
TGA_FUZZ_SEED, TGA_FUZZ_ONLY (a set, as `read+write`), TGA_FUZZ_OUT (a folder for state and reports).
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
# With each set its share of the time: most operations need read or write. The empty set is a key that always lacks the scope.
RUNS = {
    "read": 4,
    "write": 5,
    "read+write": 6,
    "keys": 4,
    "ingest": 2,
    "audit": 1,
    "": 2,
}
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
            lines.append({"kind": "video", **common, "observed_at": "2026-01-05T00:00:00Z", "creator_handle": handles[place % 12]})
            for day in range(10, 20):
                at = f"2026-01-{day}T00:00:00Z"
                lines.append({"kind": "video_stats", **common, "observed_at": at, "view_count": day * place, "like_count": day})
        position = chief.ingest(project, lines)
        pools["videos"] += [video["id"] for video in chief.pages("/videos", {"project_id": project}, position)]
        accounts["creators"] += handles
        accounts["videos"] += videos
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


def run(name, ready, chief_key, seconds, seed, out):
    """One run; gives schemathesis' exit code, and how often each operation was answered with each status."""
    chief = Api(ready["api"], chief_key)
    pools, accounts, position = make_objects(chief, random.Random(seed))
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
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", HERE / "schemathesis.toml", "--no-color"]
    command += ["run", os.environ["TGA_DOCUMENT"], "--url", ready["api"], "--seed", str(seed)]
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


def held(operation, scopes):
    """Whether a key with these scopes may call it at all."""
    return operation.get("x-scope") in ("none", "any", *scopes)


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
