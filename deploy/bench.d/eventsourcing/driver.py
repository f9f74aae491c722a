"""Appends events through the PostgreSQL recorder of eventsourcing, or reads all that it holds; prints one JSON object.

The recorder is what an application of the library saves to and what its notification log reads from: what aggregates and
their serialization cost on top is left out.
"""

import argparse
import json
import os
import threading
import time
import uuid
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresFactory

# Each append locks the table, so more connections than these only wait for each other.
CONNECTIONS_MAX = 4
EVENTS_EACH = 1_000
PAGE_EVENTS = 1_000

parser = argparse.ArgumentParser()
parser.add_argument("--writers", type=int)
parser.add_argument("--seconds", type=float)
parser.add_argument("--payload-bytes", type=int, default=200)
parser.add_argument("--fill", type=int)
parser.add_argument("--replay", action="store_true")
arguments = parser.parse_args()


def open_recorder():
    """Not an argument: everyone on the machine can read those."""
    url = urlsplit(os.environ["BENCH_DATABASE_URL"])
    factory = PostgresFactory({
        "POSTGRES_DBNAME": url.path.lstrip("/"),
        "POSTGRES_HOST": url.hostname,
        "POSTGRES_PORT": str(url.port or 5432),
        "POSTGRES_USER": unquote(url.username or ""),
        "POSTGRES_PASSWORD": unquote(url.password or ""),
        "POSTGRES_POOL_SIZE": str(CONNECTIONS_MAX),
    })
    # Makes the table, if it is missing.
    return factory, factory.application_recorder()


def events_of_new_stream(count):
    stream = uuid.uuid4()
    state = b"x" * arguments.payload_bytes
    return [StoredEvent(stream, number + 1, "measured", state) for number in range(count)]


def write(recorder, end, millis):
    while (begun := time.perf_counter()) < end:
        recorder.insert_events(events_of_new_stream(1))
        millis.append((time.perf_counter() - begun) * 1e3)


def append(recorder):
    recorder.insert_events(events_of_new_stream(1))  # connects, and makes plans
    writers = min(arguments.writers, CONNECTIONS_MAX)
    all_millis = [[] for _ in range(writers)]
    start = time.perf_counter()
    end = start + arguments.seconds
    threads = [threading.Thread(target=write, args=(recorder, end, millis)) for millis in all_millis]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    millis = sorted(one for some in all_millis for one in some)
    return {
        "writers": arguments.writers,
        "payload_bytes": arguments.payload_bytes,
        "events": len(millis),
        "seconds": round(seconds, 3),
        "events_per_second": round(len(millis) / seconds, 1),
        "p50_ms": round(millis[len(millis) // 2], 3),
        "p99_ms": round(millis[len(millis) * 99 // 100], 3),
    }


def fill(recorder):
    missing = arguments.fill
    while missing > 0:
        recorder.insert_events(events_of_new_stream(min(missing, EVENTS_EACH)))
        missing -= EVENTS_EACH
    return {"events": arguments.fill}


def replay(recorder):
    """Page by page, as the notification log of an application does."""
    start = time.perf_counter()
    events, last = 0, 0
    while page := recorder.select_notifications(last, PAGE_EVENTS, inclusive_of_start=False):
        events += len(page)
        last = page[-1].id
    seconds = time.perf_counter() - start
    return {"events": events, "seconds": round(seconds, 3), "events_per_second": round(events / seconds, 1)}


opened, opened_recorder = open_recorder()
if arguments.replay:
    measured = replay(opened_recorder)
elif arguments.fill is not None:
    measured = fill(opened_recorder)
else:
    measured = append(opened_recorder)
opened.close()
print(json.dumps({"peer": "eventsourcing", "version": version("eventsourcing"), **measured}))
