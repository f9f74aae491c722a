//! Campaigns, goals and marks over HTTP: what they say, that it agrees with the series, and what
//! is refused.

use chrono::NaiveDate;
use domain::event::{
    AnnotationAdded, AnnotationKind, CampaignChanged, CampaignItemsAdded, CampaignItemsRemoved,
    CreatorRemoved, EntityRef, GoalAdded, GoalMetric, GoalPeriod, LimitChanged,
    ObservationRecorded, Reading, TrackingStatus, VideoStats,
};
use domain::ids::{AnnotationId, CampaignId, CreatorId, GoalId, ProjectId, VideoId};
use domain::plan::{LimitKey, Plan};
use domain::text::Label;
use serde_json::{Value, json};

use crate::objects::ids;
use crate::support::{Org, World, views};

const RANGE: &str = "from=2026-01-02&to=2026-01-05";

/// Two creators with two videos each. The campaign `spring` holds ada and one video of bob, and
/// `year` holds `spring` and ada's first video once more.
struct Scene {
    world: World,
    org: Org,
    project: ProjectId,
    ada: CreatorId,
    bob: CreatorId,
    videos: [VideoId; 4],
    spring: CampaignId,
    year: CampaignId,
}

impl Scene {
    async fn set() -> Self {
        let world = World::start().await;
        let org = world.org().await;
        let project = world.project(&org, "Spring").await;
        let ada = world.creator(&org, project, "ada").await;
        let bob = world.creator(&org, project, "bob").await;
        let status = TrackingStatus::AutoTracked;
        let mut videos = Vec::new();
        for (number, creator) in (1..).zip([ada, ada, bob, bob]) {
            videos.push(world.video(&org, project, creator, number, status).await);
        }
        let spring = world.campaign(&org, project, "Spring").await;
        let year = world.campaign(&org, project, "The year").await;
        let scene = Self {
            world,
            org,
            project,
            ada,
            bob,
            videos: videos.try_into().unwrap(),
            spring,
            year,
        };
        let [first, _, third, _] = scene.videos;
        scene
            .hold(spring, &[EntityRef::Creator(ada), EntityRef::Video(third)])
            .await;
        scene
            .hold(
                year,
                &[EntityRef::Campaign(spring), EntityRef::Video(first)],
            )
            .await;
        scene.measure().await;
        scene
    }

    async fn hold(&self, campaign_id: CampaignId, items: &[EntityRef]) {
        let items = items.to_vec();
        let added = CampaignItemsAdded { campaign_id, items };
        self.world.append(&self.org, vec![added.into()]).await;
    }

    /// She leaves campaigns with her videos, as the command side decides.
    async fn remove_ada(&self) {
        let removed = CreatorRemoved {
            creator_id: self.ada,
        };
        let left = |campaign_id, item| CampaignItemsRemoved {
            campaign_id,
            items: vec![item],
        };
        let events = vec![
            removed.into(),
            left(self.spring, EntityRef::Creator(self.ada)).into(),
            left(self.year, EntityRef::Video(self.videos[0])).into(),
        ];
        self.world.append(&self.org, events).await;
    }

    /// Video n has 10ⁿ views, and twice as many three days later; so the last one's likes, comments,
    /// shares and saves.
    async fn measure(&self) {
        let mut readings = Vec::new();
        for (number, video) in (0..).zip(self.videos) {
            let count = 10_u64.pow(number);
            for (at, times) in [("2026-01-01T20:00:00Z", 1), ("2026-01-04T20:00:00Z", 2)] {
                let tenth = |tenths: u64| (number == 3).then_some(times * tenths * count / 10);
                readings.push(Reading::VideoStats(VideoStats {
                    like_count: tenth(1),
                    comment_count: tenth(2),
                    share_count: tenth(3),
                    save_count: tenth(4),
                    ..views(video, at, times * count)
                }));
            }
        }
        let recorded = ObservationRecorded { readings };
        self.world.append(&self.org, vec![recorded.into()]).await;
    }

    async fn aim_at(&self, campaign_id: CampaignId, target_views: u64) {
        let changed = CampaignChanged {
            campaign_id,
            name: None,
            readme: None,
            metadata: None,
            target_views: Some(Some(target_views)),
            target_at: None,
        };
        self.world.append(&self.org, vec![changed.into()]).await;
    }

    async fn goal(&self, creator_id: CreatorId, metric: GoalMetric, target_value: u64) -> GoalId {
        let goal_id = GoalId::generate(self.world.now(), self.world.entropy.bytes());
        let added = GoalAdded {
            goal_id,
            creator_id,
            metric,
            period: GoalPeriod::Monthly,
            target_value,
            start_date: None,
            end_date: None,
        };
        self.world.append(&self.org, vec![added.into()]).await;
        goal_id
    }

    async fn mark(&self, entity: Option<EntityRef>, date: &str, label: &str) {
        let added = AnnotationAdded {
            annotation_id: AnnotationId::generate(self.world.now(), self.world.entropy.bytes()),
            project_id: self.project,
            entity,
            kind: AnnotationKind::Launch,
            date: date.parse().unwrap(),
            label: Label::parse(label).unwrap(),
            body: None,
        };
        self.world.append(&self.org, vec![added.into()]).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.world.get(&self.org.key, path).await.data()
    }

    async fn series(&self, campaign: CampaignId, more: &str) -> Value {
        let path =
            format!("/analytics?entity=campaign&entity_id={campaign}&metric=views&{RANGE}{more}");
        self.get(&path).await
    }
}

/// Those of a list's objects under a name.
fn all(listed: &Value, field: &str) -> Vec<Value> {
    let items = listed.as_array().unwrap().iter();
    items.map(|item| item[field].clone()).collect()
}

#[tokio::test]
async fn a_campaign_is_the_union_of_all_below_it() {
    let scene = Scene::set().await;
    for campaign in [scene.spring, scene.year] {
        let shown = scene.get(&format!("/campaigns/{campaign}")).await;
        assert_eq!(
            shown["current_views"],
            2 * 111,
            "the same in both: once each"
        );
        assert_eq!(shown["creator_count"], 2);
        assert_eq!(shown["video_count"], 3);
        let series = scene.series(campaign, "").await;
        assert_eq!(series["series"][0]["total"], 111);
    }
    let listed = scene.get("/campaigns?search=YEAR").await;
    assert_eq!(ids(&listed), [scene.year.as_uuid()]);
    let items = scene
        .get(&format!("/campaigns/{}/items?limit=1", scene.year))
        .await;
    assert_eq!(items.as_array().unwrap().len(), 1);
    let items = scene
        .get(&format!(
            "/campaigns/{}/items?item_type=campaign",
            scene.year
        ))
        .await;
    assert_eq!(all(&items, "item_id"), [json!(scene.spring)]);
    assert_eq!(all(&items, "label"), [json!("Spring")]);
}

#[tokio::test]
async fn what_is_added_and_removed_holds_from_the_next_answer_on() {
    let scene = Scene::set().await;
    let total = async || {
        let series = scene.series(scene.year, "").await;
        series["series"][0]["total"].clone()
    };
    assert_eq!(total().await, 111);
    scene
        .hold(scene.spring, &[EntityRef::Video(scene.videos[3])])
        .await;
    assert_eq!(total().await, 1_111);
    scene.remove_ada().await;
    assert_eq!(total().await, 1_100);
}

#[tokio::test]
async fn the_leaderboard_of_campaigns_says_what_their_series_say() {
    let scene = Scene::set().await;
    let bobs = scene
        .world
        .campaign(&scene.org, scene.project, "Bob's")
        .await;
    scene.hold(bobs, &[EntityRef::Creator(scene.bob)]).await;
    scene.aim_at(bobs, 3_000).await;
    let from_the_first = "from=2026-01-01&to=2026-01-05";
    let ranked = async |more: &str| {
        let path = format!(
            "/analytics/aggregate/campaign-leaderboard?project_id={}&{from_the_first}{more}",
            scene.project
        );
        scene.get(&path).await
    };
    let rows = ranked("").await;
    assert_eq!(rows.as_array().unwrap().len(), 3);
    for row in rows.as_array().unwrap() {
        let campaign = row["campaign"]["id"].as_str().unwrap();
        for metric in [
            "views",
            "likes",
            "comments",
            "shares",
            "saves",
            "posts",
            "engagement_rate_by_views",
        ] {
            let path = format!(
                "/analytics?entity=campaign&entity_id={campaign}&metric={metric}&mode=new\
                 &{from_the_first}"
            );
            let series = scene.get(&path).await;
            assert_eq!(row[metric], series["series"][0]["total"], "{metric}");
        }
    }
    assert_eq!(
        rows[0],
        json!({
            "campaign": {"id": bobs, "name": "Bob's"}, "views": 1_100, "likes": 100,
            "comments": 200, "shares": 300, "saves": 400, "posts": 2,
            "engagement_rate_by_views": 90.9091, "creator_count": 1, "video_count": 2,
            // Of all 2,200 views.
            "target_views": 3_000, "target_percentage": 73,
        })
    );
    let order = |rows: &Value| -> Vec<Value> {
        let campaigns = all(rows, "campaign").into_iter();
        campaigns.map(|campaign| campaign["id"].clone()).collect()
    };
    let mut ties = [json!(scene.spring), json!(scene.year)];
    ties.sort_by_key(Value::to_string);
    let [one, other] = ties;
    assert_eq!(order(&rows), [json!(bobs), one.clone(), other.clone()]);
    let by_posts = ranked("&order=posts").await;
    assert_eq!(order(&by_posts), [one, other.clone(), json!(bobs)]);
    let second = ranked("&order=posts&limit=1&offset=1").await;
    assert_eq!(order(&second), [other]);
}

#[tokio::test]
async fn overlap_is_of_the_unions() {
    let scene = Scene::set().await;
    let more = scene
        .world
        .campaign(&scene.org, scene.project, "Bob's")
        .await;
    scene.hold(more, &[EntityRef::Creator(scene.bob)]).await;
    let path = format!(
        "/analytics/aggregate/member-overlap?project_id={}&by=video&campaign_ids={},{more}",
        scene.project, scene.spring
    );
    let reply = scene.world.get(&scene.org.key, &path).await;
    assert_eq!(
        reply.json()["meta"],
        json!({"validUntil": null, "total_count": 1})
    );
    let overlap = reply.data();
    assert_eq!(all(&overlap["campaigns"], "size"), [json!(3), json!(2)]);
    let pairs = overlap["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0]["shared"], 1);
    assert_eq!(pairs[0]["jaccard"], json!(0.25));
    assert_eq!(
        all(&overlap["members"], "id"),
        [json!(scene.videos[2])],
        "bob's first video"
    );
}

#[tokio::test]
async fn goals_are_judged_by_what_was_posted_and_gained() {
    let scene = Scene::set().await;
    let posts = scene.goal(scene.ada, GoalMetric::Posts, 4).await;
    let gained = scene.goal(scene.bob, GoalMetric::Views, 2_200).await;
    let project = scene.project;
    let listed = scene
        .get(&format!("/projects/{project}/goals?metric=posts"))
        .await;
    assert_eq!(ids(&listed), [posts.as_uuid()]);
    let found = scene
        .get(&format!(
            "/projects/{project}/goal-compliance?reference_date=2026-01-15"
        ))
        .await;
    let of = |index: usize| &found[index]["compliance"][0];
    assert_eq!(of(0)["goal"]["id"], json!(posts));
    assert_eq!(
        (&of(0)["actual"], &of(0)["percentage"], &of(0)["status"]),
        (&json!(2), &json!(50), &json!("missed"))
    );
    assert_eq!(of(1)["goal"]["id"], json!(gained));
    assert_eq!(
        (&of(1)["actual"], &of(1)["percentage"], &of(1)["status"]),
        (&json!(2_200), &json!(100), &json!("completed")),
        "a post of the period counts from 0"
    );
    let of_bob = scene
        .get(&format!(
            "/projects/{project}/goal-compliance?reference_date=2026-01-15&creator_id={}",
            scene.bob
        ))
        .await;
    assert_eq!(all(&of_bob, "compliance")[0].as_array().unwrap().len(), 1);
    assert_eq!(of_bob.as_array().unwrap().len(), 1);
    let counts = scene
        .get(&format!(
            "/analytics/aggregate/goal-compliance?project_id={project}&reference_date=2026-01-15"
        ))
        .await;
    let status = |missed: u64, completed: u64| {
        json!({"on_track": 0, "behind_pace": 0, "at_risk": 0, "completed": completed,
               "missed": missed})
    };
    assert_eq!(
        counts,
        json!({
            "creators": 2, "total": 2, "by_status": status(1, 1),
            "by_metric": {"posts": status(1, 0), "views": status(0, 1),
                          "engagement": status(0, 0), "followers": status(0, 0)},
        })
    );
}

/// 1 October 2025 is a Wednesday, so its week begins in September.
#[tokio::test]
async fn periods_that_begin_before_the_history_are_not_judged() {
    let world = World::start().await;
    let org = world.org_on(Plan::Starter).await;
    let project = world.project(&org, "Spring").await;
    let first: NaiveDate = "2025-10-01".parse().unwrap();
    let days = (world.now().date() - first).num_days();
    let changed = LimitChanged {
        limit_key: LimitKey::StatsHistoryRetentionDays,
        value: Some(u64::try_from(days).unwrap()),
    };
    world.append(&org, vec![changed.into()]).await;
    for path in [
        format!("/projects/{project}/goal-compliance?reference_date=2025-10-01"),
        format!(
            "/analytics/aggregate/goal-compliance?project_id={project}&reference_date=2025-10-01"
        ),
    ] {
        for (period, status) in [
            ("", 402),
            ("&period=daily", 200),
            ("&period=weekly", 402),
            ("&period=monthly", 200),
        ] {
            let path = format!("{path}{period}");
            let reply = world.get(&org.key, &path).await;
            assert_eq!(reply.status, status, "{path}: {:?}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_campaign_is_broken_down_by_its_videos() {
    let scene = Scene::set().await;
    let series = scene.series(scene.year, "&breakdown=video").await;
    let entries = series["breakdown_series"].as_array().unwrap();
    let totals: Vec<_> = entries
        .iter()
        .map(|entry| (entry["entity_ref"]["id"].clone(), entry["total"].clone()))
        .collect();
    let [first, second, third, _] = scene.videos;
    assert_eq!(
        totals,
        [(third, 100), (second, 10), (first, 1)].map(|(video, total)| (json!(video), json!(total)))
    );
}

#[tokio::test]
async fn marks_stand_beside_the_series_that_they_concern() {
    let scene = Scene::set().await;
    scene.mark(None, "2026-01-03", "All of it").await;
    let spring = Some(EntityRef::Campaign(scene.spring));
    scene.mark(spring, "2026-01-04", "Spring starts").await;
    scene.mark(spring, "2026-02-04", "Too late").await;
    let year = Some(EntityRef::Campaign(scene.year));
    scene.mark(year, "2026-01-04", "Of another").await;
    let series = scene.series(scene.spring, "").await;
    assert_eq!(
        all(&series["annotations"], "label"),
        [json!("Spring starts"), json!("All of it")]
    );
    let path = format!(
        "/analytics/annotations?project_id={}&kind=launch&limit=2",
        scene.project
    );
    let reply = scene.world.get(&scene.org.key, &path).await;
    assert_eq!(all(&reply.data(), "date")[0], "2026-02-04");
    let next = reply.json()["meta"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let rest = scene.get(&format!("{path}&cursor={next}")).await;
    assert_eq!(rest.as_array().unwrap().len(), 2);
    let of_campaign = format!(
        "/analytics/annotations?entity=campaign&entity_id={}",
        scene.year
    );
    let of_campaign = scene.get(&of_campaign).await;
    assert_eq!(all(&of_campaign, "label"), [json!("Of another")]);
}

#[tokio::test]
async fn a_bad_parameter_is_refused_by_name() {
    let scene = Scene::set().await;
    let (project, campaign) = (scene.project, scene.spring);
    let overlap = format!("/analytics/aggregate/member-overlap?project_id={project}");
    let twelve = vec![campaign.to_string(); 12].join(",");
    for (path, parameter) in [
        ("/campaigns?project_id=1".to_owned(), "project_id"),
        ("/campaigns?search=".to_owned(), "search"),
        ("/campaigns?color=red".to_owned(), "color"),
        (
            format!("/campaigns/{campaign}/items?item_type=goat"),
            "item_type",
        ),
        (format!("/campaigns/{campaign}/items?limit=201"), "limit"),
        (format!("/projects/{project}/goals?metric=goats"), "metric"),
        (format!("/projects/{project}/goals?period=yearly"), "period"),
        (
            format!("/projects/{project}/goals?is_active=1"),
            "is_active",
        ),
        (
            format!("/projects/{project}/goals?creator_id=x"),
            "creator_id",
        ),
        (
            format!("/projects/{project}/goal-compliance?reference_date=2026-02-30"),
            "reference_date",
        ),
        (
            format!("/projects/{project}/goal-compliance?cursor=nonsense"),
            "cursor",
        ),
        (
            "/analytics/annotations?entity=creator".to_owned(),
            "entity_id",
        ),
        (
            format!("/analytics/annotations?entity_id={campaign}"),
            "entity",
        ),
        ("/analytics/annotations?kind=party".to_owned(), "kind"),
        (
            "/analytics/annotations?from=2026-02-01&to=2026-01-01".to_owned(),
            "from",
        ),
        (format!("{overlap}&by=goat"), "by"),
        (format!("{overlap}&campaign_ids={twelve}"), "campaign_ids"),
        (
            format!("{overlap}&campaign_ids={campaign},{campaign}"),
            "campaign_ids",
        ),
        (
            "/analytics/aggregate/campaign-leaderboard".to_owned(),
            "project_id",
        ),
        (
            format!(
                "/analytics/aggregate/campaign-leaderboard?project_id={project}&order=followers"
            ),
            "order",
        ),
        (
            format!("/analytics?entity=campaign&entity_id={campaign}&metric=goats"),
            "metric",
        ),
    ] {
        let reply = scene.world.get(&scene.org.key, &path).await;
        reply.is_refused_for(parameter, "");
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let scene = Scene::set().await;
    scene.goal(scene.ada, GoalMetric::Posts, 4).await;
    scene.goal(scene.ada, GoalMetric::Views, 4).await;
    scene.mark(None, "2026-01-03", "One").await;
    scene.mark(None, "2026-01-03", "Two").await;
    let (project, year) = (scene.project, scene.year);
    let lists = [
        "/campaigns?limit=1".to_owned(),
        format!("/campaigns/{year}/items?limit=1"),
        format!("/projects/{project}/goals?limit=1"),
        format!("/projects/{project}/goal-compliance?limit=1"),
        format!("/analytics/annotations?project_id={project}&limit=1"),
    ];
    let mut cursors = Vec::new();
    for path in &lists {
        let reply = scene.world.get(&scene.org.key, path).await;
        reply.data();
        let cursor = reply.json()["meta"]["nextCursor"]
            .as_str()
            .unwrap_or_else(|| panic!("{path} has a second page"))
            .to_owned();
        cursors.push(cursor);
    }
    for (at, path) in lists.iter().enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let (kept, last) = cursor.split_at(cursor.len() - 1);
            let flipped = format!("{kept}{}", if last == "A" { "B" } else { "A" });
            let whole = scene
                .world
                .get(&scene.org.key, &format!("{path}&cursor={cursor}"))
                .await;
            assert_eq!(whole.status == 200, at == of, "{path} with {cursor}");
            for bad in [kept.to_owned(), flipped] {
                let reply = scene
                    .world
                    .get(&scene.org.key, &format!("{path}&cursor={bad}"))
                    .await;
                assert_eq!(reply.status, 400, "{path} with {bad}");
            }
        }
    }
}
