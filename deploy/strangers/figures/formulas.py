"""Sections 15.2 to 15.4 of the contract, in exact numbers."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from days import Bucket, buckets, midnight, today

COUNTED = ("views", "likes", "comments", "shares", "saves")
INTERACTIONS = ("likes", "comments", "shares", "saves")
PLAIN = (*COUNTED, "followers", "posts")
UNITS = {
    "engagement_rate_by_views": "percent",
    "engagement_rate_by_followers": "percent",
    "posts_per_week": "posts_per_week",
    "avg_views_per_post": "count",
    "growth_rate_pop": "percent",
}
NOT_OF_VIDEOS = ("followers", "posts", "engagement_rate_by_followers", "posts_per_week", "avg_views_per_post")
METRICS = (*PLAIN, *UNITS)


def rounded(value):
    """To four decimals, once, half away from zero."""
    if value is None:
        return None
    scaled = abs(Fraction(value)) * 10_000
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10_000)


def plus(values):
    """A sum of what is known; unknown if nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class Query:
    """A request, all defaults filled in."""

    metric: str
    mode: str
    granularity: str
    bucket_days: int | None
    first: object
    last: object
    zone: str
    base_metric: str | None = None

    @property
    def buckets(self):
        return buckets(self.first, self.last, self.granularity, self.bucket_days)


class Sums:
    """Readings of some units at ascending instants x: C(x), and what was first read between two of them."""

    def __init__(self, units, metric, instants):
        changes = [0] * (len(instants) + 1)
        baselines = [0] * (len(instants) + 1)
        firsts = [0] * (len(instants) + 1)
        for unit in units:
            before = 0
            for number, (at, value) in enumerate(unit.readings(metric)):
                # A reading counts at every x behind it.
                place = bisect_right(instants, at)
                changes[place] += value - before
                before = value
                if number == 0:
                    baselines[place] += value
                    firsts[place] += 1
        self.running, self.known = [], []
        total = seen = 0
        for place in range(len(instants)):
            total += changes[place]
            seen += firsts[place]
            self.running.append(total)
            self.known.append(seen)
        self.baselines, self.firsts = baselines, firsts

    def cumulative(self, x):
        return self.running[x] if self.known[x] else None

    def first_read(self, s, e):
        return sum(self.firsts[s + 1 : e + 1])

    def new(self, s, e):
        """r(e) - B(s) over units read before e: those first read inside have their baseline as base."""
        if not self.known[e]:
            return None
        return self.running[e] - self.running[s] - sum(self.baselines[s + 1 : e + 1])

    def start(self, s, e):
        """B(s) over units read before e."""
        return self.running[s] + sum(self.baselines[s + 1 : e + 1]) if self.known[e] else None


class Posts:
    """The same of posts, which have no baseline and are never unknown."""

    def __init__(self, units, _metric, instants):
        places = [bisect_right(instants, unit.post_time) for unit in units]
        self.running = [sum(place <= x for place in places) for x in range(len(instants))]

    def cumulative(self, x):
        return self.running[x]

    def first_read(self, _s, _e):
        return 0

    def new(self, s, e):
        return self.running[e] - self.running[s]

    def start(self, s, _e):
        return self.running[s]


class Entity:
    """Figures of one entity: of its videos, and of its creators where followers are asked for."""

    def __init__(self, videos, creators, query, now, cuts=None):
        """`cuts` are the buckets, where they are not those of the query itself."""
        self.query, self.now = query, now
        every = cuts if cuts is not None else query.buckets
        # One point per bucket up to now.
        self.shown = [b for b in every if midnight(b.first, query.zone) <= now]
        self.videos, self.creators = videos, creators
        first, last = (every[0].first, every[-1].last) if every else (query.first, query.last)
        self.whole = Bucket(first, last, False)
        marks = {first, last + timedelta(days=1)}
        for bucket in (*self.shown, self.whole):
            marks |= {bucket.first, bucket.last + timedelta(days=1), self._before(bucket)}
        self.days = sorted(marks)
        self.instants = [midnight(day, query.zone) for day in self.days]
        self.sums = {}

    @staticmethod
    def _before(bucket):
        return bucket.first - timedelta(days=bucket.days)

    def _of(self, metric):
        if metric not in self.sums:
            kind = Posts if metric == "posts" else Sums
            units = self.creators if metric == "followers" else self.videos
            self.sums[metric] = kind(units, metric, self.instants)
        return self.sums[metric]

    def _edges(self, bucket):
        return self.days.index(bucket.first), self.days.index(bucket.last + timedelta(days=1))

    def _new(self, metric, bucket):
        return self._of(metric).new(*self._edges(bucket))

    def _at_end(self, metric, bucket):
        return self._of(metric).cumulative(self._edges(bucket)[1])

    def inputs(self):
        """What a baseline of shows in a point."""
        return {
            "engagement_rate_by_views": COUNTED,
            "engagement_rate_by_followers": (*INTERACTIONS, "followers"),
            "posts_per_week": (),
            "avg_views_per_post": ("views",),
            "growth_rate_pop": (self.query.base_metric,),
        }.get(self.query.metric, (self.query.metric,))

    def _days_so_far(self, bucket):
        running_to = min(bucket.last, today(self.now, self.query.zone))
        return (running_to - bucket.first).days + 1

    def _growth(self, bucket, previous):
        base = self.query.base_metric
        if base in ("followers", "posts"):
            sums = self._of(base)
            start, end = self._edges(bucket)
            value, former = sums.cumulative(end), sums.cumulative(start)
        else:
            sums = self._of(base)
            value = self._new(base, bucket)
            if previous is None:
                former = sums.new(self.days.index(self._before(bucket)), self.days.index(bucket.first))
            else:
                former = self._new(base, previous)
        if value is None or former is None or former <= 0:
            return None
        return Fraction(value - former, former) * 100

    def _derived(self, bucket, previous):
        metric = self.query.metric
        if metric == "growth_rate_pop":
            return self._growth(bucket, previous)
        if metric == "posts_per_week":
            return Fraction(self._new("posts", bucket) * 7, self._days_so_far(bucket))
        gained = self._new("views", bucket)
        if metric == "avg_views_per_post":
            posts = self._at_end("posts", bucket)
            return Fraction(gained, posts) if gained is not None and posts else None
        interactions = plus(self._new(name, bucket) for name in INTERACTIONS)
        below = gained if metric == "engagement_rate_by_views" else self._at_end("followers", bucket)
        if interactions is None or below is None or below <= 0:
            return None
        return Fraction(interactions, below) * 100

    def value(self, bucket, previous=None):
        query = self.query
        if query.metric in UNITS:
            return rounded(self._derived(bucket, previous))
        if query.mode == "new":
            return self._new(query.metric, bucket)
        return self._at_end(query.metric, bucket)

    def points(self):
        found, previous = [], None
        for bucket in self.shown:
            start, end = self._edges(bucket)
            found.append(
                {
                    "t": bucket.first.isoformat(),
                    "value": self.value(bucket, previous),
                    "is_partial": bucket.is_cut or self.instants[end] > self.now,
                    "is_baseline": any(self._of(name).first_read(start, end) > 0 for name in self.inputs()),
                }
            )
            previous = bucket
        return found

    def total(self, points):
        query = self.query
        if query.metric in UNITS:
            # That a range which has not begun is no bucket yet, and has no rate, is the product's rule: the contract
            # does not say it.
            return self.value(self.whole) if self.shown else None
        if query.mode == "new":
            return self._sum(points)
        return next((point["value"] for point in reversed(points) if point["value"] is not None), None)

    def _sum(self, points):
        """The sum of `new`, null where nothing is read by the end; and the first law, which it must keep."""
        end = self._at_end(self.query.metric, self.whole)
        if end is None:
            return None
        total = sum(point["value"] or 0 for point in points)
        if total != end - self.start_value():
            raise AssertionError(f"law 1: {total} is not {end} - {self.start_value()}, of {self.query}")
        return total

    def start_value(self):
        if self.query.metric in UNITS:
            return None
        return self._of(self.query.metric).start(*self._edges(self.whole))

    def series(self):
        points = self.points()
        return {"points": points, "total": self.total(points), "start_value": self.start_value()}
