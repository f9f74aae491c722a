"""What changes while figures are asked for: readings are corrected, videos rejected, approved or removed, a campaign's items change."""

from readings import COUNTS
from world import ITEMS, stats

# What kinds of change there are.
KINDS = ("correction", "review", "removal", "item")


def change(api, rng, world, entity, subject):
    """Changes something, mostly of the entity that is asked about; says which kind of change, and what."""
    videos, _ = world.units(entity, subject)
    if entity == "campaign" and rng.random() < 0.6:
        return change_items(api, rng, world, subject)
    if rng.random() < 0.2 or not videos:
        videos = world.subjects("video")
    # Of a video that is gone nothing can be asked again.
    living = [video for video in videos if not video.is_removed] if entity != "video" else []
    choice = rng.random()
    if choice < 0.25 and living:
        return remove(api, world, rng.choice(living))
    if choice < 0.6:
        return correct(api, rng, world, rng.choice(videos))
    excluded = [video for video in world.subjects("video") if video.is_excluded]
    return review(api, world, rng.choice(excluded if excluded and rng.random() < 0.5 else videos))


def correct(api, rng, world, video):
    at = rng.choice(video.readings("views"))[0]
    line = stats(video, at, {name: rng.randrange(0, 10_000_000) for name in COUNTS})
    world.position = api.ingest(world.project["id"], [line])
    return "correction", f"reading of {video.platform_id} at {at} corrected"


def remove(api, world, video):
    world.position = api.call("DELETE", f"/videos/{video.id}").position
    video.is_removed = True
    return "removal", f"{video.platform_id} removed"


def review(api, world, video):
    decision = "include" if video.is_excluded else "exclude"
    answer = api.call("POST", f"/videos/{video.id}/review", body={"decision": decision})
    video.is_excluded = not video.is_excluded
    world.position = answer.position
    return "review", f"{decision} of {video.platform_id}"


def change_items(api, rng, world, campaign):
    """Something that is in the campaign goes, or something else comes."""
    kind = rng.choice(ITEMS)
    held = getattr(campaign, f"{kind}s")
    living = [one for one in held if kind == "campaign" or one in world.subjects(kind)]
    if living and rng.random() < 0.5:
        item = rng.choice(living)
        query = {"item_type": kind, "item_id": item.id}
        world.position = api.call("DELETE", f"/campaigns/{campaign.id}/items", query).position
        held.remove(item)
        return "item", f"{kind} {item.id} taken out of {campaign.name}"
    others = world.subjects(kind)
    if kind == "campaign":
        # None holds itself: each holds only such as were made before it.
        others = others[: others.index(campaign)]
    others = [one for one in others if one not in held]
    if not others:
        return change_items(api, rng, world, campaign)
    item = rng.choice(others)
    body = {"item_type": kind, "item_id": item.id}
    world.position = api.call("POST", f"/campaigns/{campaign.id}/items", body=body).position
    held.append(item)
    return "item", f"{kind} {item.id} put into {campaign.name}"
