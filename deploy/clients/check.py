"""Subscribers of others' making on a bad day: killed, stopped, cut off and slowed while events are made. Each must handle
every event of each stream in order, with nothing twice but what it handled right before it was killed, also if what it lacks is
cut off in the middle when it asks the API; and each must be put out when its key is revoked.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from proxy import Proxy

SEED = int(os.environ.get("TGA_CLIENTS_SEED", time.time_ns() % 100_000))
SECONDS = float(os.environ.get("TGA_CLIENTS_SECONDS", 30))
# Seconds that a subscriber may take to catch up, and to be put out after the revocation has answered.
CATCH_UP, PUT_OUT = 90, 10
# Bytes of an export that arrive before it is cut off.
CUT_AFTER = 48 * 1024
ready = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())
work = Path(sys.argv[1])
# On a bad day a subscriber connects more often than once a second.
OF_KEYS = {"scopes": ["read", "audit"], "rate_limit_per_minute": 10_000}
clients = {"python": [sys.executable, "-B", sys.argv[2]], "typescript": ["node", sys.argv[3]], "rust": [sys.argv[4]]}


def call(method, path, body=None):
    headers = {"Authorization": f"Bearer {ready['demo']['api_key']}", "Content-Type": "application/json"}
    body = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ready["api"] + path, body, headers, method=method)
    for attempt in range(5):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"], int(answer.headers["Tga-Position"])
        except urllib.error.HTTPError as error:
            # On a busy machine a check of a credential may take too long.
            if error.code != 503 or attempt == 4:
                raise
            time.sleep(1)


class Subscriber:
    def __init__(self, name, proxy, api):
        self.name, self.proxy, self.api, self.process = name, proxy, api, None
        self.key, _ = call("POST", "/api-keys", {**OF_KEYS, "name": f"Subscriber {name}"})
        self.folder = work / name
        self.folder.mkdir(parents=True)
        self.checkpoint, self.out, self.starts = self.folder / "checkpoint.json", self.folder / "events", []

    async def start(self):
        # Where in its output it began again.
        self.starts.append(self.out.stat().st_size if self.out.exists() else 0)
        api = urllib.parse.urlsplit(ready["api"])._replace(netloc=f"127.0.0.1:{self.api.port}").geturl()
        arguments = [api, f"nats://127.0.0.1:{self.proxy.port}", str(self.checkpoint)]
        with self.out.open("ab") as out, (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *clients[self.name], *arguments, stdout=out, stderr=log, env={**os.environ, "TGA_API_KEY": self.key["key"]}
            )

    async def kill(self):
        assert self.process.returncode is None, f"{self.name} ended by itself: {self.folder}/log"
        self.process.kill()
        await self.process.wait()
        # It may have been killed in the middle of a line.
        whole = self.out.read_bytes().rfind(b"\n") + 1
        os.truncate(self.out, whole)

    def handled(self):
        """Each run's events."""
        text = self.out.read_bytes()
        ends = self.starts[1:] + [text.rfind(b"\n") + 1]
        return [[json.loads(line) for line in text[a:b].splitlines()] for a, b in zip(self.starts, ends)]

    def last(self):
        text = self.out.read_bytes().splitlines()[-5:]
        positions = [int(json.loads(line)["position"]) for line in text if line.endswith(b"}}") or line.endswith(b"}")]
        return max(positions, default=0)

    def judge(self):
        """What was handled, each stream by itself."""
        last, repeated = {}, 0
        for run in self.handled():
            began = {}
            for event in run:
                stream, version = event["stream"], int(event["streamversion"])
                before = began.get(stream)
                expected = last.get(stream, 0) + 1 if before is None else before + 1
                if version != expected:
                    # Only a run's first may be one that was handled already.
                    assert before is None and version <= last.get(stream, 0), f"{self.name}: {stream} {version} after {last}"
                repeated += version <= last.get(stream, 0)
                began[stream] = version
                last[stream] = max(version, last.get(stream, 0))
        return last, repeated


async def in_a_thread(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def make_events(until):
    project, position, made = ready["demo"]["project_id"], 0, 0
    while time.monotonic() < until:
        _, position = await in_a_thread(call, "PATCH", f"/projects/{project}", {"readme": f"Round {made}"})
        made += 1
        await asyncio.sleep(0.02)
    return position, made


async def trouble(subscriber, chance, until):
    done = []
    while time.monotonic() < until:
        what = chance.choice(["kill", "stop", "cut", "slow"])
        done.append(what)
        if what == "kill":
            await subscriber.kill()
            await subscriber.start()
        elif what == "stop":
            assert subscriber.process.returncode is None, f"{subscriber.name} ended by itself: {subscriber.folder}/log"
            subscriber.process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(0.2, 2))
            subscriber.process.send_signal(signal.SIGCONT)
        elif what == "cut":
            subscriber.proxy.cut()
        else:
            subscriber.proxy.delay = chance.uniform(0.01, 0.2)
            await asyncio.sleep(chance.uniform(0.5, 2))
            subscriber.proxy.delay = 0.0
        await asyncio.sleep(chance.uniform(0.5, 3))
    return done


async def reaches(subscriber, position):
    until = time.monotonic() + CATCH_UP
    while subscriber.last() < position:
        assert subscriber.process.returncode is None, f"{subscriber.name} ended: {subscriber.folder}/log"
        assert time.monotonic() < until, f"{subscriber.name} is at {subscriber.last()} of {position}: {subscriber.folder}/log"
        await asyncio.sleep(0.1)


async def loses_its_checkpoint(subscriber, project):
    """What was acknowledged does not come again, so that what an older checkpoint lacks must be asked of the API."""
    await subscriber.kill()
    old = {"decisions": {"version": 0, "position": 0, "hash": "0" * 64}}
    subscriber.checkpoint.write_text(json.dumps({**json.loads(subscriber.checkpoint.read_text()), **old}))
    subscriber.api.cut_after = CUT_AFTER
    await subscriber.start()
    _, position = await in_a_thread(call, "PATCH", f"/projects/{project}", {"readme": subscriber.name})
    await reaches(subscriber, position)
    assert subscriber.api.cut_after is None, f"{subscriber.name}: no answer was cut off"
    assert "are missing" in (subscriber.folder / "log").read_text()


async def is_told_what_its_key_lacks(name):
    """It would be refused for ever."""
    key, _ = await in_a_thread(call, "POST", "/api-keys", {"name": f"Narrow {name}", "scopes": ["read"]})
    process = await asyncio.create_subprocess_exec(
        *clients[name], ready["api"], ready["nats_url"], str(work / name / "narrow"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TGA_API_KEY": key["key"]},
    )
    _, said = await asyncio.wait_for(process.communicate(), PUT_OUT)
    assert process.returncode == 1 and b"lacks the scope audit" in said, f"{name}: {process.returncode}, {said}"


async def is_put_out(subscriber):
    """Seconds from the answer of the revocation to the end of the connection."""
    subscriber.proxy.ended_by_server.clear()
    await in_a_thread(call, "DELETE", f"/api-keys/{subscriber.key['id']}")
    revoked = time.monotonic()
    await asyncio.wait_for(subscriber.process.wait(), PUT_OUT)
    ended = subscriber.proxy.ended_by_server
    assert ended and subscriber.process.returncode == 1, f"{subscriber.name}: {subscriber.process.returncode}"
    return max(0.0, ended[0] - revoked)


async def main():
    print(f"seed {SEED}, {SECONDS:g} s")
    port, api_port = (urllib.parse.urlsplit(ready[url]).port for url in ("nats_url", "api"))
    subscribers = []
    for n, name in enumerate(clients):
        proxies = [Proxy(port, SEED + n), Proxy(api_port, SEED + n)]
        for proxy in proxies:
            await proxy.start()
        subscribers.append(Subscriber(name, *proxies))
        await subscribers[-1].start()
    until = time.monotonic() + SECONDS
    troubles = [trouble(one, random.Random(SEED + n), until) for n, one in enumerate(subscribers)]
    (position, made), *done = await asyncio.gather(make_events(until), *troubles)
    for subscriber, happened in zip(subscribers, done):
        await reaches(subscriber, position)
        await loses_its_checkpoint(subscriber, ready["demo"]["project_id"])
        last, repeated = subscriber.judge()
        assert last["decisions"] > made, f"{subscriber.name}: {last}"
        took = await is_put_out(subscriber)
        await is_told_what_its_key_lacks(subscriber.name)
        counts = ", ".join(f"{happened.count(what)} {what}" for what in sorted(set(happened)))
        print(f"{subscriber.name}: {last}, {repeated} repeated, {counts}; put out {took * 1000:.0f} ms after the revocation")


asyncio.run(main())
