"""What the figures are of: a project with the lists in it, some of it removed or rejected, and a model of the same."""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from readings import COUNTS, Creator, Video, instant, read

# The lists have no followers, shares and saves: a part of the creators and videos gets some that are made up.
FOLLOWED = 60
SHARED = 150
# What a campaign holds; its lists have these names with an s.
ITEMS = ("creator", "video", "campaign")


@dataclass(eq=False)
class Campaign:
    id: str
    name: str
    creators: list = field(default_factory=list)
    videos: list = field(default_factory=list)
    campaigns: list = field(default_factory=list)


@dataclass
class World:
    project: dict
    empty: dict
    zone: str
    creators: dict
    videos: dict
    campaigns: list = field(default_factory=list)
    position: int = 0

    def is_counted(self, video):
        return not (video.is_excluded or video.is_removed or self.creators[video.channel].is_removed)

    def counted(self):
        return [video for video in self.videos.values() if self.is_counted(video)]

    def units(self, entity, subject):
        """The videos and the creators whose figures an entity has."""
        if entity == "video":
            return [subject], []
        if entity == "creator":
            return [v for v in self.counted() if v.channel == subject.handle], [subject]
        if entity == "project":
            if subject is self.empty:
                return [], []
            return self.counted(), [c for c in self.creators.values() if not c.is_removed]
        return self._union(subject)

    def _below(self, campaign):
        seen, todo = {}, [campaign]
        while todo:
            one = todo.pop()
            if one.id not in seen:
                seen[one.id] = one
                todo += one.campaigns
        return seen.values()

    def _union(self, campaign):
        """A video that is reached twice counts once; owners of counted videos count for followers."""
        below = self._below(campaign)
        creators = {c.handle: c for one in below for c in one.creators if not c.is_removed}
        direct = {v.platform_id for one in below for v in one.videos}
        videos = [v for v in self.counted() if v.channel in creators or v.platform_id in direct]
        creators |= {v.channel: self.creators[v.channel] for v in videos}
        return videos, list(creators.values())

    def subjects(self, entity):
        if entity == "project":
            return [self.project, self.project, self.project, self.empty]
        if entity == "campaign":
            return self.campaigns
        if entity == "creator":
            return [c for c in self.creators.values() if not c.is_removed]
        return [v for v in self.videos.values() if not v.is_removed and not self.creators[v.channel].is_removed]


def label(entity, subject):
    """Name, title or handle."""
    if entity == "creator":
        return subject.title or subject.handle
    if entity == "video":
        return subject.title or subject.platform_id
    return subject["name"] if entity == "project" else subject.name


def identity(subject):
    return subject["id"] if isinstance(subject, dict) else subject.id


def build(api, rng, lists, importer, ready_file):
    """Imports the lists and changes something of everything that decides what counts."""
    project = api.call("POST", "/projects", body={"name": "=Figures, \"quoted\""}).data
    nothing = api.call("POST", "/projects", body={"name": "Figures of nothing"})
    # The importer knows of no position.
    api.get("/projects", after=nothing.position)
    command = [importer, "import", "youtube-trending", "--api", api.url.geturl(), "--key-file", ready_file]
    command += ["--project", project["id"], *map(str, lists)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    world = World(project, nothing.data, api.get("/orgs/self").data["timezone"], *read(lists))
    name_objects(api, world)
    make_up(api, rng, world)
    reject(api, rng, world)
    make_campaigns(api, rng, world)
    return world


def name_objects(api, world):
    """Takes over the ids of what was imported, and compares all else with the lists on the way."""
    query = {"project_id": world.project["id"]}
    for found in api.pages("/creators", query):
        creator = world.creators[found["handle"]]
        creator.id = found["id"]
        same(f"creator {creator.handle}", found, display_name=creator.title, follower_count=None)
    for found in api.pages("/videos", query):
        video = world.videos[found["platform_video_id"]]
        video.id, video.created_at = found["id"], instant(found["created_at"])
        same(
            f"video {video.platform_id}",
            found,
            title=video.title,
            creator_id=world.creators[video.channel].id,
            view_count=video.last("views"),
            like_count=video.last("likes"),
            comment_count=video.last("comments"),
            share_count=None,
            save_count=None,
        )
        same(f"video {video.platform_id}", {"posted_at": instant(found["posted_at"] or "")}, posted_at=video.posted_at)
    unnamed = [u for u in (*world.creators.values(), *world.videos.values()) if not u.id]
    if unnamed:
        raise AssertionError(f"{len(unnamed)} creators and videos of the lists are not listed, e.g. {unnamed[0]}")


def same(what, found, **expected):
    for name, value in expected.items():
        if found[name] != value:
            raise AssertionError(f"{what}: {name} is {found[name]!r}, in the lists {value!r}")


def make_up(api, rng, world):
    """Followers of some creators, shares and saves of some videos, and corrections of some readings."""
    begin = datetime(2025, 12, 5, tzinfo=UTC)
    lines = []
    for creator in rng.sample(sorted(world.creators.values(), key=lambda c: c.handle), FOLLOWED):
        count = rng.randrange(10, 10_000_000)
        for _ in range(rng.randrange(1, 12)):
            at = moment(rng, begin)
            count = max(0, count + rng.randrange(-count // 4, count // 2 + 5))
            creator.read("followers", at, count)
            lines.append(line("creator_profile", at, handle=creator.handle, follower_count=count))
    for video in rng.sample(sorted(world.videos.values(), key=lambda v: v.platform_id), SHARED):
        for _ in range(rng.randrange(1, 6)):
            at = moment(rng, begin)
            told = {name: rng.randrange(0, 100_000) for name in ("shares", "saves") if rng.random() < 0.7}
            if told:
                lines.append(stats(video, at, told))
        at = rng.choice(video.readings("views"))[0]
        lines.append(stats(video, at, {name: rng.randrange(0, 10_000_000) for name in COUNTS}))
    for start in range(0, len(lines), 4_000):
        world.position = api.ingest(world.project["id"], lines[start : start + 4_000])


def moment(rng, begin):
    return begin + timedelta(microseconds=rng.randrange(260 * 86_400_000_000))


def line(kind, at, **members):
    text = at.isoformat().replace("+00:00", "Z")
    return {"kind": kind, "platform": "youtube", "observed_at": text, **members}


def stats(video, at, told):
    for name, value in told.items():
        video.read(name, at, value)
    names = {f"{name.removesuffix('s')}_count": value for name, value in told.items()}
    return line("video_stats", at, platform_video_id=video.platform_id, **names)


def reject(api, rng, world):
    """Excludes and removes videos, and removes creators with all they have."""
    videos = sorted(world.videos.values(), key=lambda v: v.platform_id)
    rng.shuffle(videos)
    excluded, removed = videos[:80], videos[80:90]
    path = f"/projects/{world.project['id']}/inbox/review"
    body = {"decision": "exclude", "video_ids": [video.id for video in excluded]}
    if api.call("POST", path, body=body).data["summary"] != {"ok": 80, "error": 0}:
        raise AssertionError("not all of 80 videos could be excluded")
    for video in excluded:
        video.is_excluded = True
    for video in removed:
        api.call("DELETE", f"/videos/{video.id}")
        video.is_removed = True
    for creator in rng.sample(sorted(world.creators.values(), key=lambda c: c.handle), 5):
        world.position = api.call("DELETE", f"/creators/{creator.id}").position
        creator.is_removed = True


def make_campaigns(api, rng, world):
    """Campaigns that overlap and hold each other."""
    for number in range(8):
        made = api.call("POST", f"/projects/{world.project['id']}/campaigns", body={"name": f"@Campaign {number}"})
        campaign = Campaign(made.data["id"], made.data["name"])
        campaign.creators = rng.sample(world.subjects("creator"), rng.randrange(0, 12))
        campaign.videos = rng.sample(world.subjects("video"), rng.randrange(0, 40))
        campaign.campaigns = rng.sample(world.campaigns, rng.randrange(0, min(3, len(world.campaigns)) + 1))
        items = [{"item_type": "creator", "item_id": one.id} for one in campaign.creators]
        items += [{"item_type": "video", "item_id": one.id} for one in campaign.videos]
        items += [{"item_type": "campaign", "item_id": one.id} for one in campaign.campaigns]
        world.position = made.position
        if items:
            answer = api.call("POST", f"/campaigns/{campaign.id}/items", body={"items": items})
            world.position = answer.position
        world.campaigns.append(campaign)
