"""Days of a zone as instants, and ranges cut into buckets (section 15.3)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


@lru_cache(maxsize=100_000)
def midnight(day, zone):
    """The first instant of a day, also where daylight saving takes or doubles its midnight."""
    zone = ZoneInfo(zone)

    def begun(at):
        return at.astimezone(zone).date() >= day

    guess = datetime.combine(day, time(), zone).astimezone(UTC)
    low, high = guess - timedelta(hours=3), guess + timedelta(hours=3)
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        low, high = (low, middle) if begun(middle) else (middle, high)
    return high


def today(now, zone):
    return now.astimezone(ZoneInfo(zone)).date()


@dataclass(frozen=True)
class Bucket:
    """Whole days, the last one included; `is_cut` where the range holds only a part of the week or the like."""

    first: date
    last: date
    is_cut: bool

    @property
    def days(self):
        return (self.last - self.first).days + 1


def _natural(day, granularity, bucket_days, start):
    """First and last day of the bucket that holds a day."""
    if granularity == "day":
        return day, day
    if granularity == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if granularity == "month":
        first = day.replace(day=1)
        return first, (first + timedelta(days=31)).replace(day=1) - DAY
    first = start + timedelta(days=(day - start).days // bucket_days * bucket_days)
    return first, first + timedelta(days=bucket_days - 1)


def buckets(first, last, granularity, bucket_days):
    """The range as buckets, each clipped to it."""
    found, day = [], first
    while day <= last:
        natural = _natural(day, granularity, bucket_days, first)
        clipped = (max(natural[0], first), min(natural[1], last))
        found.append(Bucket(*clipped, clipped != natural))
        day = clipped[1] + DAY
    return found
