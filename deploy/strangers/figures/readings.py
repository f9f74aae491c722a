"""Readings as the lists of trending videos hold them, and what an import makes of them."""

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction

FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
COUNTS = ("views", "likes", "comments")


@dataclass(eq=False)
class Unit:
    """What is read: for each metric the values by the instant at which they were. Two without any are still two."""

    series: dict = field(default_factory=dict)
    _ascending: dict = field(default_factory=dict)

    def read(self, metric, at, value):
        """A second reading of the same instant is a correction."""
        self.series.setdefault(metric, {})[at] = value
        self._ascending.pop(metric, None)

    def readings(self, metric):
        """Pairs of instant and value, ascending."""
        if metric not in self._ascending:
            self._ascending[metric] = sorted(self.series.get(metric, {}).items())
        return self._ascending[metric]

    def last(self, metric):
        known = self.readings(metric)
        return known[-1][1] if known else None


@dataclass(eq=False)
class Creator(Unit):
    handle: str = ""
    title: str = ""
    # Filled in from the API.
    id: str = ""
    is_removed: bool = False


@dataclass(eq=False)
class Video(Unit):
    platform_id: str = ""
    channel: str = ""
    title: str = ""
    posted_at: datetime | None = None
    # Filled in from the API.
    id: str = ""
    created_at: datetime | None = None
    is_excluded: bool = False
    is_removed: bool = False

    @property
    def post_time(self):
        return self.posted_at or self.created_at


def instant(text):
    """`2025-12-10 05:37:52.685771+00:00`, with `T`, without a fraction, with a space before the offset, or with `Z`."""
    text = text.strip()
    if not text:
        return None
    date, time = text[:10], text[10:].lstrip("T ").replace(" ", "").replace("Z", "+00:00")
    return datetime.fromisoformat(f"{date}T{time}").astimezone(UTC)


def count(text):
    """An integer, also one that was written as a float; what is empty was not reported."""
    text = text.strip()
    if not text:
        return None
    value = Fraction(text)
    if value.denominator != 1 or value < 0:
        raise ValueError(f"{text!r} is no count")
    return int(value)


def clean(text):
    """Text from outside: line breaks and tabs are spaces, other control characters and bidirectional overrides go."""
    spaced = "".join(" " if character in "\r\n\t\u2028\u2029" else character for character in text)
    return "".join(c for c in spaced if not FORBIDDEN.match(c)).strip()


def rows_of(path):
    """The rows of one list, plain or compressed."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(data) as stream:
            data = stream.read()
    return csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))


def read(paths):
    """Creators by handle and videos by the platform's id."""
    rows = []
    for path in paths:
        rows += [(instant(row["fetched_at"]), row) for row in rows_of(path)]
    rows.sort(key=lambda pair: pair[0])
    creators, videos = {}, {}
    for at, row in rows:
        handle, number = row["channel_id"], row["video_id"]
        creator = creators.setdefault(handle, Creator(handle=handle))
        creator.title = clean(row["channel_title"]) or creator.title
        # A video stays with the channel under which it was found, whatever the platform says later.
        video = videos.setdefault(number, Video(platform_id=number, channel=handle))
        # The newest words hold; what they leave out stays as it was.
        video.title = clean(row["title"]) or video.title
        video.posted_at = instant(row["published_at"]) or video.posted_at
        for metric in COUNTS:
            value = count(row[metric])
            if value is not None:
                video.read(metric, at, value)
    return creators, videos
