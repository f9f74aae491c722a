"""Compares analytics with figures computed from the lists of trending videos by the contract's words alone.

Knows nothing of how the service stores or adds up anything. Environment: TGA_READY_FILE, TGA_BINARY, TGA_REAL_DATA,
TGA_FIGURES_SEED (one at random), TGA_FIGURES_SECONDS (40), TGA_DEEP=1 (all lists, and no limit of less than 20 minutes).
"""

import csv
import io
import json
import os
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import count
from pathlib import Path

import ask
from api import Api
from changes import KINDS, change
from days import Bucket, midnight, today
from formulas import METRICS, UNITS, Entity
from readings import COUNTS
from world import build, identity, label

# In the short run one list: that with the most readings of each video.
RICHEST = "youtube_trending_NZ.csv"
BREAKDOWN = 10
# Of wrong answers so many are shown, and all are counted.
SHOWN = 10
# One of so many requests is asked again after something changed.
CHANGE_EACH = 20
TELLING_DAYS = 60
COLUMNS = (
    "series_kind,entity_type,entity_id,entity_label,metric,mode,granularity,"
    "bucket_start,bucket_end,value,is_partial,is_baseline"
).split(",")


def served(api):
    """What of section 15 the document names: entities, metrics, parameters."""
    document = api.get("/openapi.json").json
    operation = document["paths"]["/analytics"]["get"]
    schemas = document["components"]["schemas"]
    named = {parameter["name"] for parameter in operation["parameters"] if "name" in parameter}
    return named | set(schemas["Metric"]["enum"]) | set(schemas["AnalyticsEntity"]["enum"])


def fill_in(query, now):
    """The default range ends today, which is another day in another zone."""
    if query.first is not None:
        return query
    last = today(now, query.zone)
    return type(query)(**{**query.__dict__, "first": last - timedelta(days=29), "last": last})


def reference(entity, subject):
    return {"type": entity, "id": identity(subject), "label": label(entity, subject)}


def prior(query):
    """As many days just before, cut at the same lengths."""
    cuts, day = [], query.first - (query.last - query.first) - timedelta(days=1)
    for bucket in query.buckets:
        cuts.append(Bucket(day, day + timedelta(days=bucket.days - 1), bucket.is_cut))
        day += timedelta(days=bucket.days)
    return cuts


def breakdown(world, entity, subject, query, now):
    """The videos with the highest totals, and all others together."""
    videos, _ = world.units(entity, subject)
    found = [(video, Entity([video], [], query, now).series()) for video in videos]
    found.sort(key=lambda pair: pair[0].id)
    found.sort(key=lambda pair: (pair[1]["total"] is None, -(pair[1]["total"] or 0)))
    entries = [{"entity_ref": reference("video", v), **series} for v, series in found[:BREAKDOWN]]
    if len(found) > BREAKDOWN:
        others = Entity([v for v, _ in found[BREAKDOWN:]], [], query, now).series()
        entries.append({"entity_ref": {"type": "video", "id": "__other__", "label": "Other"}, **others})
    return entries


def expected(world, asked, query, subjects, now):
    query = fill_in(query, now)
    entity = asked["entity"]
    units = [(subject, *world.units(entity, subject)) for subject in subjects]

    def series(cuts=None):
        return [
            {"entity_ref": reference(entity, subject), **Entity(videos, creators, query, now, cuts).series()}
            for subject, videos, creators in units
        ]

    return {
        "entity": entity,
        "metric": query.metric,
        "mode": None if query.metric in UNITS else query.mode,
        "granularity": query.granularity,
        "bucket_days": query.bucket_days,
        "base_metric": query.base_metric,
        "unit": UNITS.get(query.metric, "count"),
        "from": query.first.isoformat(),
        "to": query.last.isoformat(),
        "tz": query.zone,
        "series": series(),
        "compare_series": series(prior(query)) if "compare" in asked else [],
        "breakdown_series": breakdown(world, entity, subjects[0], query, now) if "breakdown" in asked else [],
        "tier_retention_days": None,
    }, query


def differences(want, got, path=""):
    """Where two answers differ; numbers by their value."""
    if isinstance(want, dict) and isinstance(got, dict):
        for name in want.keys() | got.keys():
            # What people and the service noted on the time axis is no figure; it is not compared.
            if not (path == "" and name == "annotations"):
                yield from differences(want.get(name, "nothing"), got.get(name, "nothing"), f"{path}.{name}")
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            yield f"{path}: {len(want)} entries expected, {len(got)} came"
        for number, pair in enumerate(zip(want, got, strict=False)):
            yield from differences(*pair, f"{path}[{number}]")
    elif path.endswith(("value", "total")) and want is not None and got is not None:
        if Fraction(want) != Fraction(got):
            yield f"{path}: {float(want)} expected, {got} came"
    elif type(want) is not type(got) or want != got:
        yield f"{path}: {want!r} expected, {got!r} came"


def rows(want, query):
    """The same answer as a flat file."""
    for kind, member in (("main", "series"), ("compare", "compare_series"), ("breakdown", "breakdown_series")):
        lengths = [bucket.days for bucket in query.buckets]
        for entry in want[member]:
            of = entry["entity_ref"]
            for point, length in zip(entry["points"], lengths, strict=False):
                last = datetime.fromisoformat(point["t"]).date() + timedelta(days=length - 1)
                flags = [str(point[name]).lower() for name in ("is_partial", "is_baseline")]
                head = [kind, of["type"], of["id"], harmless(of["label"]), want["metric"], want["mode"] or ""]
                yield [*head, want["granularity"], point["t"], last.isoformat(), point["value"], *flags]


def harmless(text):
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def differences_of_csv(want, query, answer):
    body = answer.body.decode()
    name = f'trackagoat_{want["entity"]}_{want["metric"]}_{want["from"]}_{want["to"]}.csv'
    if answer.headers["content-type"] != "text/csv; charset=utf-8":
        yield f"content type {answer.headers['content-type']}"
    if answer.headers["content-disposition"] != f'attachment; filename="{name}"':
        yield f"disposition {answer.headers['content-disposition']}"
    if not body.endswith("\r\n"):
        yield "the last line does not end"
    got = list(csv.reader(io.StringIO(body, newline=""), strict=True))
    expect = [COLUMNS, *rows(want, query)]
    if len(got) != len(expect):
        yield f"{len(expect)} rows expected, {len(got)} came"
    place = COLUMNS.index("value")
    for number, (left, right) in enumerate(zip(expect, got, strict=False)):
        left, right = list(left), list(right)
        if number:
            left[place] = "" if left[place] is None else Fraction(left[place])
            right[place] = "" if right[place] == "" else Fraction(right[place])
        if left != right:
            yield f"row {number}: {left} expected, {right} came"
    # No cell holds a bare line feed, so each line ends as RFC 4180 says.
    if body.count("\n") != body.count("\r\n"):
        yield "a line ends without a carriage return"


def wrong(api, world, asked, query, subjects, as_csv):
    """What is wrong with the answer to one request."""
    before = datetime.now(UTC)
    answer = api.get("/analytics", {**asked, "format": "csv"} if as_csv else asked, after=world.position)
    found = []
    # Midnight may have passed meanwhile.
    for now in (before, datetime.now(UTC)):
        want, filled = expected(world, asked, query, subjects, now)
        if as_csv:
            found = list(differences_of_csv(want, filled, answer))
        else:
            found = list(differences(want, answer.data)) + list(odd_validity(answer, filled, now))
        if not found:
            break
    return found


def odd_validity(answer, query, now):
    """An answer changes by time alone only while its range is not over."""
    until = (answer.json["meta"] or {}).get("validUntil")
    end = midnight(query.last + timedelta(days=1), query.zone)
    if end <= now and until is not None:
        yield f"valid until {until}, though its range ended {end}"
    if end > now and (until is None or not now < datetime.fromisoformat(until) <= end):
        yield f"valid until {until}, though its range ends {end}"


def lists():
    folder = Path(os.environ["TGA_REAL_DATA"])
    every = sorted(p for p in folder.glob("youtube_trending_*") if p.suffix in (".csv", ".zst"))
    if os.environ.get("TGA_DEEP") == "1":
        return every
    return [path for path in every if path.name.startswith(RICHEST)] or every[:1]


def refusals(api, world):
    """How many requests were not refused as the contract says."""
    bad = 0
    for name, asked, status, code in ask.refused(world):
        answer = api.send("GET", "/analytics", asked)
        if (answer.status, answer.code) != (status, code):
            bad += 1
            print(f"{name}: {status} {code} expected, {answer.status} {answer.body[:300]!r} came\n  {asked}")
    return bad


def unserved(api):
    """What of section 15 is not in the document, so that nobody could ask for it."""
    named = served(api)
    return [name for name in (*METRICS, *ask.ENTITIES, "compare", "breakdown") if name not in named]


class Comparison:
    """Requests so far: how many of each entity and metric, and what was wrong."""

    def __init__(self, api, world, rng):
        self.api, self.world, self.rng = api, world, rng
        self.asked_of, self.bad, self.changes, self.moved = Counter(), 0, Counter(), Counter()

    def ask(self, is_changed):
        """One request; and if something is to change meanwhile, the same once more."""
        asked, query, subjects = self._sample(is_changed)
        as_csv = self.rng.random() < 0.3
        self._compare(asked, query, subjects, as_csv)
        if is_changed:
            before = self._figures(asked, query, subjects)
            kind, what = change(self.api, self.rng, self.world, asked["entity"], self.rng.choice(subjects))
            self.changes[kind] += 1
            self.moved[kind] += before != self._figures(asked, query, subjects)
            self._compare(asked, query, subjects, as_csv, f", after: {what}")

    def _sample(self, is_changed):
        """Of what is to change half are figures of campaigns that hardly any change leaves as they are."""
        is_telling = is_changed and self.rng.random() < 0.5
        while True:
            asked, query, subjects = ask.sample(self.rng, self.world, datetime.now(UTC))
            is_wide = query.first is not None and (query.last - query.first).days > TELLING_DAYS
            if not is_telling or (asked["entity"] == "campaign" and query.metric in COUNTS and is_wide):
                return asked, query, subjects

    def _figures(self, asked, query, subjects):
        return expected(self.world, asked, query, subjects, datetime.now(UTC))[0]["series"]

    def _compare(self, asked, query, subjects, as_csv, when=""):
        self.asked_of[asked["entity"], asked["metric"]] += 1
        problems = wrong(self.api, self.world, asked, query, subjects, as_csv)
        if problems:
            self.bad += 1
            if self.bad <= SHOWN:
                print(f"{'CSV' if as_csv else 'JSON'} of {asked}{when}: {len(problems)} differences")
                print("".join(f"  {problem}\n" for problem in problems[:5]), flush=True)

    def report(self):
        """Prints the counts; gives what was not compared at all."""
        for entity in ask.ENTITIES:
            each = [f"{metric} {times}" for (of, metric), times in sorted(self.asked_of.items()) if of == entity]
            print(f"  {entity}: {', '.join(each)}")
        moved = ", ".join(f"{kind} {self.moved[kind]} of {self.changes[kind]}" for kind in KINDS)
        print(f"  changes that moved figures: {moved}")
        print(f"{self.asked_of.total()} requests compared, {self.bad} wrong")
        asked = {entity for entity, _ in self.asked_of}
        missing = [entity for entity in ask.ENTITIES if entity not in asked]
        return missing if self.moved["item"] else [*missing, "what an item moves that comes or goes"]


def main():
    seed = int(os.environ.get("TGA_FIGURES_SEED") or random.SystemRandom().randrange(2**32))
    is_deep = os.environ.get("TGA_DEEP") == "1"
    seconds = float(os.environ.get("TGA_FIGURES_SECONDS") or (1_200 if is_deep else 40))
    print(f"TGA_FIGURES_SEED={seed}", flush=True)
    rng = random.Random(seed)
    ready = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())
    api = Api(ready["api"], ready["demo"]["api_key"])
    missing = unserved(api)
    if missing:
        sys.exit(f"not in the document: {', '.join(missing)}")
    found = lists()
    if not found:
        sys.exit("there are no lists of trending videos")
    world = build(api, rng, found, os.environ["TGA_BINARY"], os.environ["TGA_READY_FILE"])
    api.get("/projects", after=world.position)
    comparison = Comparison(api, world, rng)
    comparison.bad += refusals(api, world)
    end = time.monotonic() + seconds
    for number in count(1):
        # Where all is slow it takes longer until an item that comes or goes moves a figure.
        if time.monotonic() >= (end if comparison.moved["item"] else end + seconds):
            break
        comparison.ask(is_changed=number % CHANGE_EACH == 0)
    missing = comparison.report()
    if missing:
        sys.exit(f"not compared: {', '.join(missing)}")
    sys.exit(1 if comparison.bad else 0)


if __name__ == "__main__":
    main()
