"""One working day with the API, through a client that was generated from the served document."""

import csv
import datetime
import io
import json
import os
import re
import time
import uuid
from http import HTTPStatus
from pathlib import Path

import httpx
from trackagoat_client import AuthenticatedClient
from trackagoat_client.api.analytics import get_analytics, get_campaign_leaderboard
from trackagoat_client.api.api_keys import create_api_key, get_own_api_key, list_api_keys, revoke_api_key, rotate_api_key
from trackagoat_client.api.campaigns import (
    add_campaign_items,
    create_campaign,
    get_campaign,
    list_campaign_items,
    remove_campaign_item,
)
from trackagoat_client.api.creators import add_creators, list_creators
from trackagoat_client.api.goals import create_goal, list_goal_compliance
from trackagoat_client.api.ingest import ingest_observations
from trackagoat_client.api.projects import change_project, create_project, get_project, list_projects, remove_project
from trackagoat_client.api.videos import list_inbox, list_videos, review_videos
from trackagoat_client.models import (
    AddCampaignItem,
    AddCreator,
    AddManyCampaignItems,
    AddManyCreators,
    AnalyticsEntity,
    BulkStatus,
    ChangeProject,
    CreateApiKey,
    CreateCampaign,
    CreateGoal,
    CreateProject,
    CreateProjectMetadata,
    Decision,
    ErrorCode,
    GetAnalyticsFormat,
    GoalMetric,
    GoalPeriod,
    GoalStatus,
    Granularity,
    ItemType,
    LineCode,
    Metric,
    Mode,
    Platform,
    ReviewVideos,
    RotateApiKey,
    Scope,
    TrackingMode,
    TrackingStatus,
)
from trackagoat_client.types import UNSET, File

READY = json.loads(Path(os.environ["TGA_READY_FILE"]).read_text())
CREATORS, VIDEOS, DAYS = 35, 70, 9
TRIES = 5
# Channels of which nothing is taken up before a person has looked at it.
SELECTIVE = 5
FIRST = datetime.date(2026, 3, 2)
ZONE = "Asia/Kathmandu"


class Patient(httpx.HTTPTransport):
    """On a busy machine a check of a credential may take too long; nothing was done then, and it is tried again."""

    def handle_request(self, request):
        for _ in range(1, TRIES):
            answer = super().handle_request(request)
            if answer.status_code != 503 or json.loads(answer.read())["meta"]["code"] != "verification_unavailable":
                return answer
            time.sleep(0.2)
        return super().handle_request(request)


def client_of(key):
    # A status that the document does not name is an error of the document.
    arguments = {"base_url": READY["api"], "token": key, "raise_on_unexpected_status": True}
    return AuthenticatedClient(**arguments, httpx_args={"transport": Patient()})


def good(answer, status=HTTPStatus.OK):
    assert answer.status_code == status, f"{answer.status_code}: {answer.content!r}"
    return answer.parsed.data


def refused(answer, status, code):
    assert answer.status_code == status, f"{answer.status_code}: {answer.content!r}"
    assert answer.parsed.data is None and answer.parsed.error
    assert answer.parsed.meta.code == code, answer.content
    return answer.parsed.meta


def position_of(answer):
    return int(answer.headers["Tga-Position"])


def to_the_end(call, limit, name=lambda one: one.id, **parameters):
    """A list from its first page to its last, which holds what is left."""
    found, cursor = [], UNSET
    while True:
        answer = call(limit=limit, cursor=cursor, **parameters)
        page = good(answer)
        found += page
        following = answer.parsed.meta.next_cursor
        if following is None:
            assert len(page) <= limit and len({name(one) for one in found}) == len(found), "nothing comes twice"
            return found
        assert len(page) == limit, "a page before the last is full"
        cursor = following


def channel(number):
    return f"UCstory{number:017}"


def video_id(number):
    return f"story{number:06}"


def likes(video, day):
    """Each gains another number of likes, and every third loses some."""
    return 50_000 - 7 * day if video % 3 == 0 else 100 * video + (video + 2) * day


def make_project(client):
    once = f"python-{uuid.uuid4()}"
    body = CreateProject(name="  Märchen  ", readme="Öfter mal was Neues.")
    body.metadata = CreateProjectMetadata.from_dict({"agents": ["a", {"b": None}]})
    made = create_project.sync_detailed(client=client, body=body, idempotency_key=once)
    project = good(made, HTTPStatus.CREATED)
    assert (project.name, project.readme, project.description) == ("Märchen", "Öfter mal was Neues.", project.readme)
    assert project.metadata.to_dict() == {"agents": ["a", {"b": None}]}
    again = create_project.sync_detailed(client=client, body=body, idempotency_key=once)
    assert again.headers["Idempotency-Replayed"] == "true" and again.content == made.content
    other = create_project.sync_detailed(client=client, body=CreateProject(name="Other"), idempotency_key=once)
    refused(other, HTTPStatus.UNPROCESSABLE_ENTITY, ErrorCode.IDEMPOTENCY_MISMATCH)

    changed = change_project.sync_detailed(project.id, client=client, body=ChangeProject(name="Fables"))
    assert good(changed).name == "Fables"
    seen = get_project.sync_detailed(project.id, client=client, tga_min_position=position_of(changed))
    assert good(seen).name == "Fables" and good(seen).readme == project.readme
    return project


def add_channels(client, project):
    creators = []
    for number in range(CREATORS):
        creator = AddCreator(handle=channel(number), platform=Platform.YOUTUBE, tracking_start_date=None)
        creator.tracking_mode = TrackingMode.SELECTIVE if number < SELECTIVE else TrackingMode.AUTO
        creators.append(creator)
    creators.append(AddCreator(handle=channel(0), platform=Platform.YOUTUBE))
    answer = add_creators.sync_detailed(project.id, client=client, body=AddManyCreators(creators=creators))
    bulk = good(answer)
    assert [result.status for result in bulk.results] == [BulkStatus.CREATED] * CREATORS + [BulkStatus.ERROR]
    assert bulk.results[-1].code == "duplicate"
    assert (bulk.summary.ok, bulk.summary.error) == (CREATORS, 1)
    single = add_creators.sync_detailed(project.id, client=client, body=AddCreator(handle="goat", platform=Platform.YOUTUBE))
    assert refused(single, HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_BODY).issues[0].path == "handle"
    return [result.id for result in bulk.results[:-1]]


def observe(client, project):
    lines = []
    for video in range(VIDEOS):
        named = {"platform": "youtube", "platform_video_id": video_id(video)}
        first = f"{FIRST}T01:00:00+05:45"
        found = {"kind": "video", **named, "observed_at": first, "creator_handle": channel(video % CREATORS)}
        lines.append({**found, "title": f"={video}\tgoats", "posted_at": first})
        for day in range(DAYS):
            # A quarter of an hour after midnight in Kathmandu, so another day in Europe.
            at = f"{FIRST + datetime.timedelta(days=day)}T00:15:00+05:45"
            lines.append({"kind": "video_stats", **named, "observed_at": at, "like_count": likes(video, day)})
    nobodys = {"platform": "youtube", "platform_video_id": "nobodys-one"}
    lines.append({"kind": "video_stats", **nobodys, "observed_at": first, "like_count": 1})
    body = File(payload="\n".join(map(json.dumps, lines)).encode())
    answer = ingest_observations.sync_detailed(client=client, body=body, project_id=project.id)
    told = good(answer)
    assert (told.accepted, told.duplicate, told.rejected) == (len(lines) - 1, 0, 1)
    assert [(error.line, error.code) for error in told.errors] == [(len(lines), LineCode.UNKNOWN_VIDEO)]
    return position_of(answer)


def read_to_the_end(client, project, position):
    scope = {"client": client, "project_id": project.id, "tga_min_position": position}
    creators = to_the_end(list_creators.sync_detailed, 4, **scope)
    assert {creator.handle for creator in creators} == {channel(number) for number in range(CREATORS)}
    assert all(creator.tiktok_handle is None for creator in creators), "that is TikTok's alone"
    videos = to_the_end(list_videos.sync_detailed, 9, **scope)
    assert {video.platform_video_id for video in videos} == {video_id(number) for number in range(VIDEOS)}
    for video in videos:
        number = int(video.platform_video_id.removeprefix("story"))
        assert video.title == f"={number} goats", "a tab from outside is a space"
        assert (video.like_count, video.view_count, video.tiktok_video_id) == (likes(number, DAYS - 1), None, None)
    projects = to_the_end(list_projects.sync_detailed, 1, client=client, tga_min_position=position)
    assert projects[0].id == project.id, "newest first"
    return review(client, project, videos)


def review(client, project, videos):
    """Takes up the first half of what waits, and rejects the rest; gives what counts, and the position."""
    waiting = to_the_end(lambda **query: list_inbox.sync_detailed(project.id, client=client, **query), 2)
    assert {video.id for video in waiting} == {v.id for v in videos if v.tracking_status == TrackingStatus.PENDING_REVIEW}
    assert len(waiting) == VIDEOS // CREATORS * SELECTIVE
    half = len(waiting) // 2
    for decision, chosen in ((Decision.INCLUDE, waiting[:half]), (Decision.EXCLUDE, waiting[half:])):
        body = ReviewVideos(decision=decision, video_ids=[video.id for video in chosen])
        answer = review_videos.sync_detailed(project.id, client=client, body=body)
        assert good(answer).summary.ok == len(chosen)
    excluded = {video.id for video in waiting[half:]}
    counted = [int(v.platform_video_id.removeprefix("story")) for v in videos if v.id not in excluded]
    return counted, position_of(answer)


def analyse(client, project, counted, position):
    def all_likes(day):
        return sum(likes(video, day) for video in counted)

    last = FIRST + datetime.timedelta(days=DAYS - 1)
    request = {
        "entity": AnalyticsEntity.PROJECT,
        "entity_id": [project.id],
        "metric": Metric.LIKES,
        "from_": FIRST,
        "to": last,
        "tz": ZONE,
        "tga_min_position": position,
    }
    answer = get_analytics.sync_detailed(client=client, **request)
    gained = good(answer)
    (series,) = gained.series
    assert (series.entity_ref.label, gained.tz, gained.unit) == ("Fables", ZONE, "count")
    steps = [0] + [all_likes(day) - all_likes(day - 1) for day in range(1, DAYS)]
    assert [(point.t, point.value) for point in series.points] == [
        (FIRST + datetime.timedelta(days=day), step) for day, step in enumerate(steps)
    ]
    assert (series.total, series.start_value) == (all_likes(DAYS - 1) - all_likes(0), all_likes(0))
    assert [point.is_baseline for point in series.points] == [True] + [False] * (DAYS - 1)

    week = {**request, "mode": Mode.CUMULATIVE, "granularity": Granularity.WEEK}
    running = good(get_analytics.sync_detailed(client=client, **week)).series[0]
    assert [point.value for point in running.points] == [all_likes(6), all_likes(8)]
    # The same readings are one day earlier where it is still evening.
    berlin = {**request, "tz": "Europe/Berlin"}
    there = good(get_analytics.sync_detailed(client=client, **berlin)).series[0]
    assert [point.value for point in there.points] == [*steps[1:], 0]
    assert there.start_value == all_likes(0) and not any(point.is_baseline for point in there.points)

    # The generated call knows one type for each status, so the file is read as it came.
    export = get_analytics._get_kwargs(**{**request, "format_": GetAnalyticsFormat.CSV})
    file = client.get_httpx_client().request(**export)
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"trackagoat_project_likes_{FIRST}_{last}.csv" in file.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(file.text, newline="")))
    assert [int(row["value"]) for row in rows] == steps
    assert {row["entity_label"] for row in rows} == {"Fables"}

    tag = answer.headers["ETag"]
    assert get_analytics.sync_detailed(client=client, if_none_match=tag, **request).status_code == HTTPStatus.NOT_MODIFIED
    bad = {**request, "metric": Metric.FOLLOWERS, "granularity": Granularity.CUSTOM}
    answer = get_analytics.sync_detailed(client=client, **bad)
    wrong = refused(answer, HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_QUERY)
    assert [issue.path for issue in wrong.issues] == ["bucket_days"]


def run_campaigns(client, project, creators):
    """Two campaigns, one in the other: what is in both counts once, and leaves at once what it was taken out of."""
    videos = to_the_end(list_videos.sync_detailed, 50, client=client, project_id=project.id)
    video = {int(video.platform_video_id.removeprefix("story")): video.id for video in videos}
    body = CreateCampaign(name="Spring", target_views=1_000)
    spring = good(create_campaign.sync_detailed(project.id, client=client, body=body), HTTPStatus.CREATED)
    year = good(create_campaign.sync_detailed(project.id, client=client, body=CreateCampaign(name="Year")), HTTPStatus.CREATED)

    def item(kind, thing):
        return AddCampaignItem(item_type=kind, item_id=thing)

    # The channel posted videos 10 and 45.
    held = [item(ItemType.CREATOR, creators[10]), item(ItemType.VIDEO, video[10]), item(ItemType.VIDEO, video[11])]
    many = AddManyCampaignItems(items=[*held, held[0]])
    told = good(add_campaign_items.sync_detailed(spring.id, client=client, body=many))
    assert (told.summary.ok, told.results[-1].code) == (3, "duplicate")
    nested = add_campaign_items.sync_detailed(year.id, client=client, body=item(ItemType.CAMPAIGN, spring.id))
    assert nested.status_code == HTTPStatus.CREATED, nested.content
    round_trip = add_campaign_items.sync_detailed(spring.id, client=client, body=item(ItemType.CAMPAIGN, year.id))
    cycle = refused(round_trip, HTTPStatus.CONFLICT, ErrorCode.CAMPAIGN_CYCLE)
    assert {spring.id, year.id} <= set(cycle.path)
    items = to_the_end(
        lambda **query: list_campaign_items.sync_detailed(spring.id, client=client, **query),
        2,
        name=lambda one: one.item_id,
        tga_min_position=position_of(nested),
    )
    assert {one.item_id for one in items} == {one.item_id for one in held}

    def likes_of_year(position):
        last = FIRST + datetime.timedelta(days=DAYS - 1)
        answer = get_analytics.sync_detailed(
            client=client,
            entity=AnalyticsEntity.CAMPAIGN,
            entity_id=[year.id],
            metric=Metric.LIKES,
            mode=Mode.CUMULATIVE,
            from_=FIRST,
            to=last,
            tz=ZONE,
            tga_min_position=position,
        )
        return good(answer).series[0].points[-1].value

    def all_likes(*numbers):
        return sum(likes(number, DAYS - 1) for number in numbers)

    assert likes_of_year(position_of(nested)) == all_likes(10, 45, 11)
    query = {"item_type": ItemType.CREATOR, "item_id": creators[10]}
    left = remove_campaign_item.sync_detailed(spring.id, client=client, **query)
    assert good(left).item_id == creators[10]
    assert likes_of_year(position_of(left)) == all_likes(10, 11)
    seen = good(get_campaign.sync_detailed(year.id, client=client, tga_min_position=position_of(left)))
    assert (seen.video_count, seen.creator_count, seen.target_views) == (2, 2, None)
    rows = good(get_campaign_leaderboard.sync_detailed(client=client, project_id=project.id, tga_min_position=position_of(left)))
    assert {row.campaign.name for row in rows} == {"Spring", "Year"}


def reach_goals(client, project, creators):
    # Both videos were posted on a Sunday evening of UTC, the zone of the org.
    day = FIRST - datetime.timedelta(days=1)
    body = CreateGoal(creator_id=creators[10], metric=GoalMetric.POSTS, period=GoalPeriod.WEEKLY, target_value=2)
    made = create_goal.sync_detailed(project.id, client=client, body=body)
    goal = good(made, HTTPStatus.CREATED)
    again = refused(create_goal.sync_detailed(project.id, client=client, body=body), HTTPStatus.CONFLICT, ErrorCode.DUPLICATE)
    assert again.id == goal.id
    query = {"creator_id": creators[10], "reference_date": day, "tga_min_position": position_of(made)}
    (of,) = good(list_goal_compliance.sync_detailed(project.id, client=client, **query))
    (reached,) = of.compliance
    assert (reached.goal.id, reached.actual, reached.percentage, reached.status) == (goal.id, 2, 100, GoalStatus.COMPLETED)


def end_keys(client):
    body = CreateApiKey(name="Narrow", scopes=[Scope.READ, Scope.INGEST])
    made = good(create_api_key.sync_detailed(client=client, body=body), HTTPStatus.CREATED)
    assert re.fullmatch(r"tga_[0-9a-f]{64}", made.key) and made.prefix.endswith(made.key[-4:])
    narrow = client_of(made.key)
    assert good(get_own_api_key.sync_detailed(client=narrow)).scopes == [Scope.READ, Scope.INGEST]
    denied = refused(list_api_keys.sync_detailed(client=narrow), HTTPStatus.FORBIDDEN, ErrorCode.INSUFFICIENT_SCOPE)
    assert (denied.required, denied.granted) == ("keys", [Scope.READ, Scope.INGEST])

    # A key in its place, at once: the old one ends, the new one has what it had.
    rotated = rotate_api_key.sync_detailed(made.id, client=client, body=RotateApiKey(overlap_seconds=0))
    pair = good(rotated, HTTPStatus.CREATED)
    assert pair.receipt.id == made.id and pair.receipt.effective_at is not None
    refused(list_projects.sync_detailed(client=narrow), HTTPStatus.UNAUTHORIZED, ErrorCode.INVALID_API_KEY)
    heir = client_of(pair.new.key)
    assert good(get_own_api_key.sync_detailed(client=heir)).id == pair.new.id
    keys = to_the_end(lambda **query: list_api_keys.sync_detailed(client=client, **query), 1)
    assert pair.new.id in {key.id for key in keys} and made.id not in {key.id for key in keys}

    receipt = good(revoke_api_key.sync_detailed(pair.new.id, client=client))
    assert receipt.id == pair.new.id and receipt.effective_at >= receipt.revoked_at
    assert receipt.barrier.acked >= 1 and re.fullmatch(r"[0-9a-f]{64}", receipt.event_hash)
    dead = list_projects.sync_detailed(client=heir)
    refused(dead, HTTPStatus.UNAUTHORIZED, ErrorCode.INVALID_API_KEY)
    assert dead.headers["WWW-Authenticate"] == 'Bearer realm="trackagoat", error="invalid_token"'
    assert good(revoke_api_key.sync_detailed(pair.new.id, client=client)).position == receipt.position


def clear_up(client, project):
    removed = remove_project.sync_detailed(project.id, client=client)
    assert good(removed).id == project.id
    gone = list_creators.sync_detailed(client=client, project_id=project.id, tga_min_position=position_of(removed))
    refused(gone, HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND)
    refused(remove_project.sync_detailed(project.id, client=client), HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND)


def main():
    client = client_of(READY["demo"]["api_key"])
    project = make_project(client)
    creators = add_channels(client, project)
    counted, position = read_to_the_end(client, project, observe(client, project))
    analyse(client, project, counted, position)
    run_campaigns(client, project, creators)
    reach_goals(client, project, creators)
    end_keys(client)
    clear_up(client, project)
    print("create, read, page, analyse, export, campaigns, goals, revoke: done")


if __name__ == "__main__":
    main()
