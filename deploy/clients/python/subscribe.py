"""Reads an org's events over NATS with an API key: each of a stream once and in order, from a checkpoint of its own.

Each event is a line on standard output. That is what "handled" means here: put your own work in place of `handle`. A crash
between it and the checkpoint has the last events handled again, so it must be able to bear that.
"""

import asyncio
import hashlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import nats
import nats.errors
import nats.js.errors

STREAM = "TGA_EVENTS"
BATCH = 100
# Seconds. A question waits so long for an event; a broken connection is made again after a rest, which grows up to a longest.
WAIT, REST, LONGEST_REST = 5, 0.5, 5
# The same, of HTTP.
WITHIN = 30


class KeyEnded(Exception):
    """The key may not read events any more; nothing but a new one helps."""


class AnotherHistory(Exception):
    """The log is not the one that was read: it was restored to an earlier moment and went on from there."""


class Api:
    """The same events over HTTP, for what NATS does not keep any more."""

    def __init__(self, url, key):
        self.url, self.key = url, key

    def open(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.key}"})
        try:
            return urllib.request.urlopen(request, timeout=WITHIN)
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):
                raise KeyEnded(f"{path} answers {error.code}") from error
            raise

    def data(self, path):
        with self.open(path) as answer:
            return json.load(answer)["data"]

    def export(self, stream, after, to):
        """The events of a stream after one position and up to another, in order."""
        query = urllib.parse.urlencode({"stream": stream, "after_position": after, "to_position": to})
        with self.open(f"/audit/export?{query}") as lines:
            for line in lines:
                yield line.decode().rstrip("\n")


class Checkpoint:
    """How far each of the two streams was handled: version, position, and the hash that the next event must name."""

    def __init__(self, path):
        self.path = Path(path)
        self.streams = json.loads(self.path.read_text()) if self.path.exists() else {}

    def of(self, stream):
        return self.streams.get(stream, {"version": 0, "position": 0, "hash": "0" * 64})

    def move(self, event):
        version, position = int(event["streamversion"]), int(event["position"])
        self.streams[event["stream"]] = {"version": version, "position": position, "hash": event["hash"]}

    def save(self):
        """Whole or not at all."""
        beside = self.path.with_suffix(".new")
        with beside.open("w") as file:
            json.dump(self.streams, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def inboxes(key):
    """What only the key's holder can tell, since nobody else may have answers sent there."""
    return f"_INBOX_{hashlib.sha256(f'inbox:{key}'.encode()).hexdigest()[:32]}"


def handle(text):
    """What stands in the log, to the byte: its hash is over that."""
    print(text, flush=True)


def take(text, checkpoint, api):
    """Handles an event if it is the next of its stream, and before it what is missing. What was handled is dropped."""
    event = json.loads(text)
    stream, version = event["stream"], int(event["streamversion"])
    last = checkpoint.of(stream)
    if version <= last["version"]:
        return
    if version > last["version"] + 1:
        print(f"{stream}: {last['version'] + 1} to {version - 1} are missing, asking the API", file=sys.stderr)
        for missing in api.export(stream, last["position"], int(event["position"]) - 1):
            take_next(missing, checkpoint)
        if checkpoint.of(stream)["version"] != version - 1:
            # The service may have stopped; what came was handled, and the rest is asked for again.
            raise OSError("the export ended early")
    take_next(text, checkpoint)


def take_next(text, checkpoint):
    event = json.loads(text)
    last = checkpoint.of(event["stream"])
    if int(event["streamversion"]) != last["version"] + 1 or event["prevhash"] != last["hash"]:
        raise AnotherHistory(f"position {event['position']} does not follow {last['position']}")
    handle(text)
    checkpoint.move(event)


async def read(connection, durable, checkpoint, api):
    """Reads until the connection ends."""
    stream = connection.jetstream(prefix="tga.api")
    source = await stream.pull_subscribe_bind(consumer=durable, stream=STREAM)
    while connection.is_connected:
        try:
            messages = await source.fetch(BATCH, timeout=WAIT)
        except nats.errors.TimeoutError:
            continue
        except nats.js.errors.ServiceUnavailableError:
            # The durable is made anew in a moment, with a stream that was.
            await asyncio.sleep(REST)
            continue
        try:
            for message in messages:
                take(message.data.decode(), checkpoint, api)
        finally:
            checkpoint.save()
        # Only now: what is not acknowledged comes again.
        for message in messages:
            await message.ack()


async def quiet(_error):
    """What happened is seen where the connection is used."""


async def main(api_url, nats_url, checkpoint_path):
    api, rest = Api(api_url, os.environ["TGA_API_KEY"]), REST
    checkpoint = Checkpoint(checkpoint_path)
    while True:
        connection, before = nats.NATS(), dict(checkpoint.streams)
        try:
            # The key is asked for each time: a connection that is refused does not say whether it has ended.
            org, key = api.data("/orgs/self"), api.data("/api-keys/self")
            if "audit" not in key["scopes"]:
                raise KeyEnded("the key lacks the scope audit")
            await connection.connect(
                nats_url, token=api.key, inbox_prefix=inboxes(api.key).encode(), allow_reconnect=False, error_cb=quiet
            )
            print("connected", file=sys.stderr)
            await read(connection, f"{org['id']}-{key['id']}", checkpoint, api)
        except (nats.errors.Error, OSError, http.client.HTTPException) as error:
            print(f"not connected: {error!r}", file=sys.stderr)
        finally:
            if connection.is_connected:
                await connection.close()
        # Every connection ends after a while.
        rest = REST if checkpoint.streams != before else min(2 * rest, LONGEST_REST)
        await asyncio.sleep(rest)


if __name__ == "__main__":
    if len(sys.argv) != 4 or "TGA_API_KEY" not in os.environ:
        sys.exit("usage: TGA_API_KEY=tga_... subscribe.py API_URL NATS_URL CHECKPOINT")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        pass
    except (KeyEnded, AnotherHistory) as error:
        sys.exit(f"{type(error).__name__}: {error}")
