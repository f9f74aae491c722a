//! Summaries of a project over HTTP: their shape, their bounds, and that each row's gains are the
//! totals of `GET /analytics`.

use std::collections::BTreeSet;

use api::route::ROUTES;
use domain::event::{CreatorProfile, ObservationRecorded, Reading, TrackingStatus, VideoStats};
use domain::ids::{CreatorId, ProjectId, VideoId};
use domain::plan::Plan;
use serde_json::{Value, json};

use crate::support::{Org, World, instant, views};

const RANGE: &str = "from=2026-01-02&to=2026-01-05";

/// An org with a project of three creators: `ada` has six videos, `bob` two, `eve` none.
struct Scene {
    world: World,
    org: Org,
    project: ProjectId,
    creators: [CreatorId; 3],
    videos: Vec<VideoId>,
}

impl Scene {
    async fn set() -> Self {
        let world = World::start().await;
        let org = world.org().await;
        let project = world.project(&org, "Spring").await;
        let mut creators = Vec::new();
        for handle in ["ada", "bob", "eve"] {
            creators.push(world.creator(&org, project, handle).await);
        }
        let creators: [CreatorId; 3] = creators.try_into().unwrap();
        let mut videos = Vec::new();
        for number in 0..8 {
            let creator = creators[usize::from(number >= 6)];
            let status = TrackingStatus::AutoTracked;
            videos.push(world.video(&org, project, creator, number, status).await);
        }
        let mut scene = Self {
            world,
            org,
            project,
            creators,
            videos,
        };
        scene.measure().await;
        scene
    }

    /// Views of 10 to the power of the video's number; likes a tenth, comments, shares and saves two
    /// to four tenths, in two readings; ada's followers in two.
    async fn measure(&mut self) {
        let mut readings = Vec::new();
        for (number, video) in (0_u32..).zip(&self.videos) {
            let count = 10_u64.pow(number);
            readings.push(Reading::VideoStats(views(
                *video,
                "2026-01-01T20:00:00Z",
                count,
            )));
            let tenth = count / 10;
            let of = |times: u64, at, views_then| VideoStats {
                like_count: Some(times * tenth),
                // Of the first video nobody tells.
                comment_count: (number > 0).then_some(times * 2 * tenth),
                share_count: (number > 0).then_some(times * 3 * tenth),
                save_count: (number > 0).then_some(times * 4 * tenth),
                ..views(*video, at, views_then)
            };
            readings.push(Reading::VideoStats(of(
                1,
                "2026-01-03T20:00:00Z",
                3 * count,
            )));
            readings.push(Reading::VideoStats(of(
                2,
                "2026-01-04T20:00:00Z",
                4 * count,
            )));
        }
        for (at, followers) in [("2026-01-02T00:00:00Z", 70), ("2026-01-05T00:00:00Z", 90)] {
            readings.push(Reading::CreatorProfile(CreatorProfile {
                creator_id: self.creators[0],
                observed_at: instant(at),
                display_name: None,
                avatar_url: None,
                follower_count: Some(followers),
                following_count: None,
                like_count: None,
                video_count: None,
            }));
        }
        let recorded = ObservationRecorded { readings };
        self.world.append(&self.org, vec![recorded.into()]).await;
    }

    fn path(&self, summary: &str, more: &str) -> String {
        let project = self.project;
        format!("/analytics/aggregate/{summary}?project_id={project}{more}")
    }

    async fn ask(&self, summary: &str, more: &str) -> Value {
        let reply = self
            .world
            .get(&self.org.key, &self.path(summary, more))
            .await;
        reply.data();
        reply.json()
    }

    /// What analytics say of a creator over the range.
    async fn total(&self, creator: &Value, metric: &str, mode: &str) -> Value {
        let creator = creator["id"].as_str().unwrap();
        let path = format!(
            "/analytics?entity=creator&entity_id={creator}&metric={metric}&mode={mode}&{RANGE}"
        );
        let data = self.world.get(&self.org.key, &path).await.data();
        data["series"][0]["total"].clone()
    }
}

#[tokio::test]
async fn what_creators_gained_is_what_analytics_say() {
    let scene = Scene::set().await;
    for order in ["views", "posts", "followers", "engagement_rate_by_views"] {
        let answer = scene
            .ask("creator-leaderboard", &format!("&{RANGE}&order={order}"))
            .await;
        assert_eq!(answer["meta"]["total_count"], 3);
        let rows = answer["data"].as_array().unwrap();
        assert_eq!(rows.len(), 3);
        for row in rows {
            for metric in [
                "views",
                "likes",
                "comments",
                "shares",
                "saves",
                "posts",
                "engagement_rate_by_views",
            ] {
                let total = scene.total(&row["creator"], metric, "new").await;
                assert_eq!(row[metric], total, "{metric} of {row}");
            }
            let followers = scene
                .total(&row["creator"], "followers", "cumulative")
                .await;
            assert_eq!(row["followers"], followers);
            let gained = scene.total(&row["creator"], "followers", "new").await;
            assert_eq!(row["followers_gained"], gained);
        }
    }
    let answer = scene.ask("creator-leaderboard", &format!("&{RANGE}")).await;
    let [ada, bob, eve] = &scene.creators;
    let ids: Vec<_> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["creator"]["id"].clone())
        .collect();
    assert_eq!(ids, [json!(bob), json!(ada), json!(eve)]);
    assert_eq!(
        answer["data"][1],
        json!({
            "creator": {"id": ada, "platform": "tiktok", "handle": "ada", "tiktok_handle": "ada",
                        "display_name": null, "avatar_url": null},
            "views": 333_333, "likes": 11_111, "comments": 22_222, "shares": 33_333, "saves": 44_444,
            "posts": 0, "followers": 90, "followers_gained": 20,
            "engagement_rate_by_views": 33.333,
        })
    );
}

#[tokio::test]
async fn two_figures_of_a_creator_are_what_analytics_say() {
    let scene = Scene::set().await;
    let figures = [
        "followers",
        "views",
        "posts",
        "engagement_rate_by_views",
        "avg_views_per_post",
    ];
    for (x, y) in figures.into_iter().zip(figures.into_iter().cycle().skip(1)) {
        let answer = scene
            .ask("creator-scatter", &format!("&{RANGE}&x={x}&y={y}"))
            .await;
        let rows = answer["data"].as_array().unwrap();
        assert_eq!((rows.len(), &answer["meta"]["total_count"]), (3, &json!(3)));
        for row in rows {
            for (axis, metric) in [("x", x), ("y", y), ("posts", "posts")] {
                let mode = if metric == "followers" {
                    "cumulative"
                } else {
                    "new"
                };
                let total = scene.total(&row["creator"], metric, mode).await;
                assert_eq!(row[axis], total, "{metric} of {row}");
            }
        }
    }
    let defaults = scene.ask("creator-scatter", &format!("&{RANGE}")).await;
    let explicit = scene
        .ask(
            "creator-scatter",
            &format!("&{RANGE}&x=followers&y=views&limit=100&offset=0"),
        )
        .await;
    assert_eq!(defaults, explicit);
}

#[tokio::test]
async fn videos_stand_by_their_last_known_counts() {
    let scene = Scene::set().await;
    // All were posted at noon of the first.
    let day = "&from=2026-01-01&to=2026-01-01";
    let answer = scene
        .ask("video-leaderboard", &format!("{day}&limit=3&offset=1"))
        .await;
    assert_eq!(
        answer["meta"],
        json!({"validUntil": null, "total_count": 8})
    );
    let rows = answer["data"].as_array().unwrap();
    let ids: Vec<_> = rows.iter().map(|row| row["video_id"].clone()).collect();
    let expected = [6, 5, 4].map(|number: usize| json!(scene.videos[number]));
    assert_eq!(ids, expected);
    assert_eq!(
        rows[0],
        json!({
            "video_id": scene.videos[6], "title": null, "thumbnail_url": null,
            "url": "https://www.tiktok.com/@_/video/6",
            "view_count": 4_000_000, "like_count": 200_000, "comment_count": 400_000,
            "share_count": 600_000, "save_count": 800_000, "posted_at": "2026-01-01T12:00:00.000000Z",
            "platform": "tiktok", "tracking_status": "auto_tracked",
            "creator": {"id": scene.creators[1], "platform": "tiktok", "handle": "bob",
                        "tiktok_handle": "bob", "display_name": null, "avatar_url": null},
        })
    );
    // The highest first, what was never reported last, ties by id.
    let mut by_count = scene.videos.clone();
    by_count.reverse();
    let mut by_id = scene.videos.clone();
    by_id.sort_unstable();
    for (order, expected) in [
        ("comment_count", &by_count),
        ("share_count", &by_count),
        ("save_count", &by_count),
        ("posted_at", &by_id),
    ] {
        let answer = scene
            .ask("video-leaderboard", &format!("{day}&order={order}"))
            .await;
        let rows = answer["data"].as_array().unwrap().iter();
        let ids: Vec<_> = rows.map(|row| row["video_id"].clone()).collect();
        assert_eq!(
            ids,
            expected.iter().map(|id| json!(id)).collect::<Vec<_>>(),
            "{order}"
        );
    }
    let beyond = scene
        .ask("video-leaderboard", &format!("{day}&offset=8"))
        .await;
    assert_eq!(
        (&beyond["data"], &beyond["meta"]["total_count"]),
        (&json!([]), &json!(8))
    );
    let nothing = scene.ask("video-leaderboard", &format!("&{RANGE}")).await;
    assert_eq!(
        (&nothing["data"], &nothing["meta"]["total_count"]),
        (&json!([]), &json!(0))
    );
}

#[tokio::test]
async fn posts_are_counted_by_local_hour_and_week() {
    let scene = Scene::set().await;
    let days = "&from=2026-01-01&to=2026-01-09";
    let heatmap = scene
        .ask("posting-heatmap", &format!("{days}&tz=Asia/Kathmandu"))
        .await;
    // A Thursday, 17:45 there.
    assert_eq!(
        heatmap["data"],
        json!([{"dow": 4, "hour": 17, "post_count": 8, "avg_views": 5_555_555.5}])
    );
    assert_eq!(heatmap["meta"], json!({"validUntil": null}));
    let answer = scene.ask("posting-consistency", days).await;
    let rows = answer["data"].as_array().unwrap();
    assert_eq!((rows.len(), &answer["meta"]["total_count"]), (3, &json!(3)));
    let figures = rows.iter().map(|row| {
        let consistency = row["consistency"].clone();
        let id = row["creator"]["id"].as_str().unwrap().to_owned();
        (consistency, id, row["posts"].as_u64().unwrap())
    });
    let (even, last): (Vec<_>, Vec<_>) = figures.partition(|(figure, ..)| *figure == json!(0.5));
    // Of equals the first by id, which chance decides here.
    assert!(even[0].1 < even[1].1);
    let posts: BTreeSet<_> = even.iter().map(|(.., posts)| *posts).collect();
    assert_eq!(posts, BTreeSet::from([2, 6]));
    assert_eq!((&last[0].0, last[0].2), (&json!(0), 0));
    let mut last = rows[2].clone();
    last["creator"] = Value::Null;
    assert_eq!(
        last,
        json!({"creator": null, "posts": 0, "active_days": 0, "days": 9, "weeks_with_posts": 0,
               "weeks": 2, "consistency": 0, "longest_gap_days": null, "median_gap_hours": null})
    );
    assert_eq!(
        (&rows[0]["longest_gap_days"], &rows[0]["median_gap_hours"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn views_are_spread_over_bins_and_some_stand_out() {
    let scene = Scene::set().await;
    let day = "&from=2026-01-01&to=2026-01-01";
    let spread = scene.ask("view-distribution", day).await["data"].clone();
    assert_eq!(
        (
            &spread["count"],
            &spread["min"],
            &spread["max"],
            &spread["mean"]
        ),
        (
            &json!(8),
            &json!(4),
            &json!(40_000_000),
            &json!(5_555_555.5)
        )
    );
    let bins = spread["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 11);
    assert_eq!(bins[1], json!({"from": 1, "to": 10, "count": 1}));
    assert_eq!(
        bins[10],
        json!({"from": 1_000_000_000, "to": null, "count": 0})
    );
    assert_eq!(
        spread["percentiles"],
        json!({"p10": 4, "p25": 40, "p50": 4_000, "p75": 400_000, "p90": 40_000_000,
               "p95": 40_000_000, "p99": 40_000_000})
    );
    let linear = scene
        .ask("view-distribution", &format!("{day}&scale=linear&bins=2"))
        .await["data"]
        .clone();
    assert_eq!(
        linear["bins"],
        json!([{"from": 4, "to": 20_000_002, "count": 7},
               {"from": 20_000_002, "to": 40_000_000, "count": 1}])
    );
    let nothing = scene.ask("view-distribution", &format!("&{RANGE}")).await["data"].clone();
    assert_eq!(
        (&nothing["count"], &nothing["mean"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(nothing["percentiles"]["p50"], Value::Null);

    // Of ada's six nobody stands far out; bob has two only.
    let found = scene.ask("outliers", &format!("{day}&threshold=1")).await;
    assert_eq!(
        (
            &found["meta"]["skipped_groups"],
            &found["meta"]["total_count"]
        ),
        (&json!(1), &json!(2))
    );
    let [second, first] = [&found["data"][0], &found["data"][1]];
    assert_eq!(
        (&first["direction"], &second["direction"]),
        (&json!("low"), &json!("high"))
    );
    assert_eq!(first["video_id"], json!(scene.videos[0]));
    assert_eq!(
        (&first["view_count"], &first["median_views"]),
        (&json!(4), &json!(2_200))
    );
    let found = scene
        .ask(
            "outliers",
            &format!("{day}&threshold=1&scope=project&direction=high"),
        )
        .await;
    assert_eq!(found["meta"]["skipped_groups"], 0);
    assert_eq!(found["data"][0]["video_id"], json!(scene.videos[7]));
    let found = scene.ask("outliers", day).await;
    assert_eq!(
        (&found["data"], &found["meta"]["total_count"]),
        (&json!([]), &json!(0))
    );
}

/// Each summary with what it can be asked beside project and range.
fn summaries() -> Vec<&'static str> {
    let paths = ROUTES.iter().map(|route| route.path);
    paths
        .filter_map(|path| path.strip_prefix("/analytics/aggregate/"))
        .filter(|path| !WITHOUT_RANGE.contains(path))
        .collect()
}

/// Those that are of no range of days.
const WITHOUT_RANGE: [&str; 2] = ["goal-compliance", "member-overlap"];

/// Refused for this parameter alone.
async fn refused(world: &World, org: &Org, path: &str, name: &str, hint: &str) {
    let reply = world
        .get(&org.key, &format!("/analytics/aggregate/{path}"))
        .await;
    reply.is_refused_for(name, hint);
    let issues = reply.json()["meta"]["issues"].clone();
    assert_eq!(issues.as_array().unwrap().len(), 1, "{path}: {issues}");
}

#[tokio::test]
async fn what_every_summary_is_asked_by_is_read_strictly() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let days = "&from=2026-01-01&to=2026-01-02";
    let refused =
        async |path: &str, name: &str, hint: &str| refused(&world, &org, path, name, hint).await;
    for summary in summaries() {
        let base = format!("{summary}?project_id={project}");
        refused(
            &format!("{summary}?{}", &days[1..]),
            "project_id",
            "required",
        )
        .await;
        refused(
            &format!("{summary}?project_id=7{days}"),
            "project_id",
            "UUID",
        )
        .await;
        refused(
            &format!("{base}{days}&project_id={project}"),
            "project_id",
            "repeated",
        )
        .await;
        refused(
            &format!("{base}&from=2026-1-1&to=2026-01-02"),
            "from",
            "YYYY-MM-DD",
        )
        .await;
        refused(
            &format!("{base}&from=2026-01-01&to=2026-02-30"),
            "to",
            "YYYY-MM-DD",
        )
        .await;
        refused(
            &format!("{base}&from=2026-01-03&to=2026-01-02"),
            "from",
            "after",
        )
        .await;
        refused(&format!("{base}{days}&tz=Mars/Olympus"), "tz", "IANA").await;
        refused(&format!("{base}{days}&cursor=x"), "cursor", "unknown").await;
        refused(&format!("{base}{days}&entity=creator"), "entity", "unknown").await;
    }
}

#[tokio::test]
async fn what_a_summary_cannot_be_asked_is_refused_by_name() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let days = "&from=2026-01-01&to=2026-01-02";
    let refused =
        async |path: &str, name: &str, hint: &str| refused(&world, &org, path, name, hint).await;
    let base = format!("posting-heatmap?project_id={project}");
    refused(&format!("{base}&from=2026-01-01"), "to", "required").await;
    refused(&format!("{base}&to=2026-01-01"), "from", "required").await;
    for (summary, name, value, hint) in [
        (
            "video-leaderboard",
            "order",
            "views",
            "view_count, like_count",
        ),
        ("creator-leaderboard", "order", "view_count", "views, likes"),
        (
            "creator-leaderboard",
            "order",
            "avg_views_per_post",
            "views, likes",
        ),
        ("creator-scatter", "x", "likes", "followers, views, posts"),
        ("creator-scatter", "y", "", "followers, views, posts"),
        ("creator-scatter", "limit", "501", "1 to 500"),
        ("view-distribution", "scale", "sqrt", "log, linear"),
        ("view-distribution", "bins", "20", "only with scale=linear"),
        ("view-distribution", "scale=linear&bins", "51", "1 to 50"),
        ("view-distribution", "scale=linear&bins", "0", "1 to 50"),
        ("outliers", "scope", "org", "creator, project"),
        ("outliers", "threshold", "0.5", "1 to 10"),
        ("outliers", "threshold", "NaN", "1 to 10"),
        ("outliers", "direction", "up", "high, low, both"),
    ] {
        let path = format!("{summary}?project_id={project}{days}&{name}={value}");
        refused(&path, name.rsplit('&').next().unwrap(), hint).await;
    }
    for summary in [
        "video-leaderboard",
        "creator-leaderboard",
        "posting-consistency",
        "outliers",
    ] {
        let base = format!("{summary}?project_id={project}{days}");
        refused(&format!("{base}&limit=101"), "limit", "1 to 100").await;
        refused(&format!("{base}&limit=0"), "limit", "1 to 100").await;
        refused(&format!("{base}&offset=10001"), "offset", "0 to 10000").await;
        refused(&format!("{base}&offset=-1"), "offset", "0 to 10000").await;
    }
    for summary in ["posting-heatmap", "view-distribution"] {
        let base = format!("{summary}?project_id={project}{days}");
        refused(&format!("{base}&limit=5"), "limit", "unknown").await;
    }
}

#[tokio::test]
async fn a_summary_reaches_as_far_back_as_the_plan() {
    let world = World::start().await;
    let org = world.org_on(Plan::Starter).await;
    let project = world.project(&org, "Spring").await;
    let today = world.now().date();
    let oldest = today - chrono::Days::new(365);
    let older = oldest - chrono::Days::new(1);
    let missing = "0192f0c1-2b7e-7c00-8000-00000000abcd";
    for summary in summaries() {
        let path = |project: &str, from, to| {
            format!("/analytics/aggregate/{summary}?project_id={project}&from={from}&to={to}")
        };
        let own = project.to_string();
        let reply = world.get(&org.key, &path(&own, oldest, oldest)).await;
        reply.data();
        // Tomorrow it is too old.
        let until = reply.json()["meta"]["validUntil"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            until.starts_with(&(today + chrono::Days::new(1)).to_string()),
            "{until}"
        );
        let reply = world.get(&org.key, &path(&own, older, today)).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (402, "retention_exceeded")
        );
        let meta = reply.json()["meta"].clone();
        assert_eq!(
            (&meta["tier_retention_days"], &meta["earliest"]),
            (&json!(365), &json!(oldest))
        );
        // Existence comes first.
        for from in [older, today] {
            let reply = world.get(&org.key, &path(missing, from, today)).await;
            assert_eq!(reply.code(), "not_found", "{summary}");
        }
    }
}

#[tokio::test]
async fn a_summary_that_time_changes_says_when() {
    let scene = Scene::set().await;
    let today = scene.world.now().date();
    let tomorrow = today + chrono::Days::new(1);
    let midnight = json!(format!("{tomorrow}T00:00:00.000000Z"));
    for summary in summaries() {
        let until = async |days: &str| scene.ask(summary, days).await["meta"]["validUntil"].clone();
        let range = |from, to| format!("&from={from}&to={to}");
        assert_eq!(until(&range(today, today)).await, Value::Null, "{summary}");
        assert_eq!(until(&range(today, tomorrow)).await, midnight, "{summary}");
        assert_eq!(
            until(&range(tomorrow, tomorrow)).await,
            midnight,
            "{summary}"
        );
        if summary != "posting-heatmap" {
            assert_eq!(until("").await, midnight, "{summary}");
        }
    }
}
