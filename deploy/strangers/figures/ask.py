"""Requests at random: those that are answered, and those that are refused."""

from datetime import date, timedelta

from formulas import COUNTED, INTERACTIONS, METRICS, NOT_OF_VIDEOS, UNITS, Query
from world import identity

# Whole hours, halves and quarters; daylight saving at midnight, of half an hour, of two; days that begin at another instant.
ZONES = """
UTC Europe/Berlin America/New_York Asia/Kathmandu Pacific/Chatham America/St_Johns Australia/Lord_Howe Africa/Cairo
Asia/Beirut America/Havana Atlantic/Azores Africa/Casablanca Antarctica/Troll Pacific/Kiritimati Etc/GMT+12 Asia/Kolkata
Australia/Eucla America/Nuuk Europe/Dublin Asia/Gaza America/Santiago Pacific/Marquesas Asia/Tehran Africa/Lagos
Pacific/Auckland Asia/Tokyo America/Los_Angeles America/Asuncion Europe/London
""".split()
BASES = (*COUNTED, "followers", "posts")
BREAKDOWNS = (*COUNTED, "engagement_rate_by_views")
ENTITIES = ("video", "creator", "project", "campaign")


def sample(rng, world, now):
    """Parameters of a request, and what they mean."""
    entity = rng.choice(("video", "video", "creator", "creator", "project", "campaign", "campaign"))
    metric = rng.choice([m for m in METRICS if not (entity == "video" and m in NOT_OF_VIDEOS)])
    subjects = pick(rng, world, entity)
    asked = {
        "entity": entity,
        "entity_id": ",".join(identity(subject) for subject in subjects),
        "metric": metric,
        "mode": rng.choice((None, "new", "cumulative", "cumulative")),
        "granularity": rng.choice((None, "day", "week", "month", "custom")),
        "tz": rng.choice((None, *ZONES)),
    }
    asked["from"], asked["to"], first, last = days(rng, now)
    if asked["granularity"] == "custom":
        asked["bucket_days"] = rng.choice((1, 2, 3, 7, 10, 28, 90, rng.randrange(1, 91)))
    if metric == "growth_rate_pop":
        bases = [b for b in BASES if not (entity == "video" and b in NOT_OF_VIDEOS)]
        asked["base_metric"] = rng.choice(bases)
    if rng.random() < 0.3:
        asked["compare"] = "prior_period"
    may_break_down = entity in ("creator", "campaign") and len(subjects) == 1 and metric in BREAKDOWNS
    if may_break_down and rng.random() < 0.6:
        asked["breakdown"] = "video"
    asked = {name: str(value) for name, value in asked.items() if value is not None}
    query = Query(
        metric,
        asked.get("mode", "new"),
        asked.get("granularity", "day"),
        int(asked["bucket_days"]) if "bucket_days" in asked else None,
        first,
        last,
        asked.get("tz", world.zone),
        asked.get("base_metric"),
    )
    return asked, query, subjects


def pick(rng, world, entity):
    subjects = world.subjects(entity)
    most = min(10, len(set(map(identity, subjects))))
    wanted = 1 if rng.random() < 0.5 else rng.randrange(1, most + 1)
    found = {}
    while len(found) < wanted:
        # Videos with many readings say more than the many with one.
        one = max(rng.sample(subjects, min(3, len(subjects))), key=lambda s: len(getattr(s, "series", {}).get("views", ())))
        found[identity(one)] = one
    return list(found.values())


def days(rng, now):
    """`from` and `to` as they are sent, and as they hold; within the lists' days, and at times up to now and beyond."""
    today = now.date()
    choice = rng.random()
    if choice < 0.04:
        return None, None, None, None
    if choice < 0.1:
        last = today + timedelta(days=rng.randrange(-3, 40))
    else:
        last = date(2025, 12, 8) + timedelta(days=rng.randrange(0, 270))
    width = rng.choice((rng.randrange(1, 15), rng.randrange(1, 15), rng.randrange(1, 100), rng.randrange(1, 420)))
    first = last - timedelta(days=width - 1)
    if 0.1 <= choice < 0.14:
        return None, last.isoformat(), last - timedelta(days=29), last
    return first.isoformat(), last.isoformat(), first, last


def refused(world):
    """Requests that the contract refuses, each for one reason: name, parameters, status, code."""
    video, creator = world.subjects("video")[0], world.subjects("creator")[0]
    good = {"entity": "creator", "entity_id": creator.id, "metric": "views", "from": "2026-01-01", "to": "2026-01-31"}
    nobody = "01890000-0000-7000-8000-000000000000"
    bad = {
        "an unknown parameter": {"nothing": "1"},
        "no entity": {"entity": None},
        "an unknown metric": {"metric": "dislikes"},
        "an unknown zone": {"tz": "Europe/Atlantis"},
        "from after to": {"from": "2026-02-01"},
        "custom without bucket_days": {"granularity": "custom"},
        "bucket_days without custom": {"bucket_days": "7"},
        "91 bucket_days": {"granularity": "custom", "bucket_days": "91"},
        "no bucket_days": {"granularity": "custom", "bucket_days": "0"},
        "too many buckets": {"from": "2023-01-01", "to": "2026-01-31"},
        "one id twice": {"entity_id": f"{creator.id},{creator.id}"},
        "eleven ids": {"entity_id": ",".join(identity(c) for c in world.subjects("creator")[:11])},
        "no id": {"entity_id": "goat"},
        "an unknown mode": {"mode": "old"},
        "base_metric without growth": {"base_metric": "views"},
        "growth without base_metric": {"metric": "growth_rate_pop"},
        "growth of growth": {"metric": "growth_rate_pop", "base_metric": "growth_rate_pop"},
        "another comparison": {"compare": "next_period"},
        "a breakdown of a project": {"entity": "project", "entity_id": world.project["id"], "breakdown": "video"},
        "a breakdown of followers": {"metric": "followers", "breakdown": "video"},
        "a breakdown by creator": {"breakdown": "creator"},
    }
    for metric in NOT_OF_VIDEOS:
        bad[f"{metric} of a video"] = {"entity": "video", "entity_id": video.id, "metric": metric}
    for base in ("followers", "posts"):
        of_video = {"entity": "video", "entity_id": video.id, "metric": "growth_rate_pop", "base_metric": base}
        bad[f"growth of {base} of a video"] = of_video
    for name, change in bad.items():
        yield name, {k: v for k, v in {**good, **change}.items() if v is not None}, 400, "invalid_query"
    for entity in ENTITIES:
        yield f"a {entity} of nobody", {**good, "entity": entity, "entity_id": nobody}, 404, "not_found"
    yield "a project as creator", {**good, "entity_id": world.project["id"]}, 404, "not_found"
    yield "one of two unknown", {**good, "entity_id": f"{creator.id},{nobody}"}, 404, "not_found"
    for removed in [c for c in world.creators.values() if c.is_removed][:2]:
        yield "a removed creator", {**good, "entity_id": removed.id}, 404, "not_found"
    for removed in [v for v in world.videos.values() if v.is_removed][:2]:
        yield "a removed video", {**good, "entity": "video", "entity_id": removed.id}, 404, "not_found"
