"""Lines of ingest at random: right ones, and such as hardly anybody sends."""

import json

ODD = (None, "", 0, -1, 1.5, 2**53, True, [], {}, "\u202e", "x" * 5_000, "2026-13-01T00:00:00Z", "\x00")


def lines(rng, accounts):
    """A body: mostly readings of what there is, and now and then one member replaced."""
    made = [line(rng, accounts) for _ in range(rng.randrange(1, 8))]
    text = [json.dumps(spoilt(rng, one)) if rng.random() < 0.4 else json.dumps(one) for one in made]
    if rng.random() < 0.1:
        text.insert(rng.randrange(len(text)), rng.choice(("", "{", "[]", '{"kind":"video","kind":"video"}', "\ufeff{}")))
    return rng.choice(("\n", "\n", "\r\n")).join(text)


def line(rng, accounts):
    at = f"2026-0{rng.randrange(1, 9)}-1{rng.randrange(10)}T0{rng.randrange(10)}:00:00Z"
    count = rng.choice((None, 0, 1, 10**6, 2**53 - 1))
    video = {"platform": "tiktok", "platform_video_id": rng.choice(accounts["videos"])}
    creator = rng.choice(accounts["creators"])
    kinds = (
        {"kind": "creator_profile", "platform": "tiktok", "handle": creator, "follower_count": count},
        {"kind": "video", **video, "creator_handle": creator, "title": "Goats"},
        {"kind": "video", **video, "platform_video_id": str(rng.getrandbits(50)), "creator_handle": creator},
        {"kind": "video_stats", **video, "view_count": count, "like_count": 5},
    )
    return {**rng.choice(kinds), "observed_at": at}


def spoilt(rng, one):
    name = rng.choice([*one, "goat"])
    return {**one, name: rng.choice(ODD)}
