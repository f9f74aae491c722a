//! `GET /analytics` over HTTP; that the figures are right is the read model's to test.

use domain::event::{ObservationRecorded, OrgChanged, PlanChanged, Reading, TrackingStatus};
use domain::ids::{ProjectId, VideoId};
use domain::plan::Plan;
use serde_json::{Value, json};

use crate::support::{Org, Reply, World, views};

const RANGE: &str = "from=2026-01-01&to=2026-01-04";

/// An org with a project and a video that was read three times.
async fn measured(world: &World) -> (Org, ProjectId, VideoId) {
    let org = world.org().await;
    let project = world.project(&org, "=Spring, \"launch\"").await;
    let creator = world.creator(&org, project, "ada").await;
    let video = world
        .video(&org, project, creator, 1, TrackingStatus::AutoTracked)
        .await;
    let readings = [
        ("2026-01-01T10:00:00Z", 100),
        ("2026-01-02T10:00:00Z", 130),
        ("2026-01-04T10:00:00Z", 120),
    ];
    let readings = readings.map(|(at, count)| Reading::VideoStats(views(video, at, count)));
    let recorded = ObservationRecorded {
        readings: readings.into(),
    };
    world.append(&org, vec![recorded.into()]).await;
    (org, project, video)
}

#[tokio::test]
async fn series_are_answered_as_the_contract_shows_them() {
    let world = World::start().await;
    let (org, project, _) = measured(&world).await;
    let asked = format!("entity=project&entity_id={project}&metric=views&{RANGE}");
    let reply = world.get(&org.key, &format!("/analytics?{asked}")).await;
    let data = reply.data();
    let expected = json!({
        "entity": "project", "metric": "views", "mode": "new", "granularity": "day",
        "bucket_days": null, "base_metric": null, "unit": "count", "from": "2026-01-01",
        "to": "2026-01-04", "tz": "UTC", "compare_series": [], "breakdown_series": [],
        "annotations": [], "tier_retention_days": null,
        "series": [{
            "entity_ref": {"type": "project", "id": project, "label": "=Spring, \"launch\""},
            "points": [
                {"t": "2026-01-01", "value": 0, "is_partial": false, "is_baseline": true},
                {"t": "2026-01-02", "value": 30, "is_partial": false, "is_baseline": false},
                {"t": "2026-01-03", "value": 0, "is_partial": false, "is_baseline": false},
                {"t": "2026-01-04", "value": -10, "is_partial": false, "is_baseline": false},
            ],
            "total": 20, "start_value": 100,
        }],
    });
    assert_eq!(data, expected);
    assert_eq!(reply.json()["meta"], json!({"validUntil": null}));
    // Members stand in the contract's order.
    let text = std::str::from_utf8(&reply.body).unwrap();
    let members = [
        "entity",
        "metric",
        "mode",
        "granularity",
        "bucket_days",
        "base_metric",
        "unit",
    ];
    let places: Vec<_> = members
        .map(|name| text.find(&format!("\"{name}\":")).unwrap())
        .into();
    assert!(places.is_sorted(), "{text}");
}

#[tokio::test]
async fn the_same_series_are_one_flat_file() {
    let world = World::start().await;
    let (org, project, _) = measured(&world).await;
    let asked = format!("entity=project&entity_id={project}&metric=views&{RANGE}");
    let reply = world
        .get(
            &org.key,
            &format!("/analytics?{asked}&format=csv&mode=cumulative"),
        )
        .await;
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        reply.header("content-disposition"),
        "attachment; filename=\"trackagoat_project_views_2026-01-01_2026-01-04.csv\""
    );
    let row = |day: &str, value: i32, first: bool| {
        format!(
            "main,project,{project},\"'=Spring, \"\"launch\"\"\",views,cumulative,day,{day},{day},\
             {value},false,{first}\r\n"
        )
    };
    let expected = [
        "series_kind,entity_type,entity_id,entity_label,metric,mode,granularity,bucket_start,\
         bucket_end,value,is_partial,is_baseline\r\n"
            .to_owned(),
        row("2026-01-01", 100, true),
        row("2026-01-02", 130, false),
        row("2026-01-03", 130, false),
        row("2026-01-04", 120, false),
    ];
    assert_eq!(reply.body, expected.concat().as_bytes());
    assert_ne!(reply.header("etag"), "");
}

#[tokio::test]
async fn entities_zones_and_widths_are_those_asked_for() {
    let world = World::start().await;
    let (org, project, video) = measured(&world).await;
    let other = world.project(&org, "Other").await;
    let asked = format!("entity=project&entity_id={other},{project}&metric=posts&{RANGE}");
    let data = world
        .get(&org.key, &format!("/analytics?{asked}&tz=Asia/Kathmandu"))
        .await
        .data();
    assert_eq!(data["series"][0]["entity_ref"]["id"], json!(other));
    assert_eq!(data["series"][1]["total"], 1);
    assert_eq!(data["tz"], "Asia/Kathmandu");
    for (granularity, days) in [
        ("week", Value::Null),
        ("month", Value::Null),
        ("custom", json!(3)),
    ] {
        let days_asked = days
            .as_i64()
            .map_or(String::new(), |days| format!("&bucket_days={days}"));
        let asked = format!("{asked}&granularity={granularity}{days_asked}");
        let data = world
            .get(&org.key, &format!("/analytics?{asked}"))
            .await
            .data();
        assert_eq!(
            (&data["granularity"], &data["bucket_days"]),
            (&json!(granularity), &days)
        );
    }
    let asked = format!("entity=video&entity_id={video}&metric=engagement_rate_by_views&{RANGE}");
    let data = world
        .get(&org.key, &format!("/analytics?{asked}&mode=cumulative"))
        .await
        .data();
    assert_eq!(
        (&data["mode"], &data["unit"]),
        (&Value::Null, &json!("percent"))
    );
    assert_eq!(data["series"][0]["start_value"], Value::Null);
}

async fn refused(world: &World, org: &Org, query: &str, path: &str, hint: &str) {
    let reply = world.get(&org.key, &format!("/analytics?{query}")).await;
    reply.is_refused_for(path, hint);
}

#[tokio::test]
async fn what_does_not_go_together_is_refused_with_what_does() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let another = uuid::Uuid::from_u128(3);
    let base = format!("entity=project&entity_id={project}&metric=views");
    for (query, path, hint) in [
        (
            format!("{base}&compare=last_year"),
            "compare",
            "prior_period",
        ),
        (format!("{base}&breakdown=platform"), "breakdown", "video"),
        (
            format!("{base}&breakdown=video"),
            "breakdown",
            "only with entity=creator",
        ),
        (
            base.replace("project&", "creator&")
                .replace("views", "followers&breakdown=video"),
            "breakdown",
            "only with metric=views, likes, comments, shares, saves, engagement_rate_by_views",
        ),
        (
            format!("entity=creator&entity_id={project},{another}&metric=views&breakdown=video"),
            "breakdown",
            "one entity_id",
        ),
        (
            base.replace("views", "growth_rate_pop"),
            "base_metric",
            "required with metric=growth_rate_pop",
        ),
        (
            format!("{base}&base_metric=views"),
            "base_metric",
            "only with metric=growth_rate_pop",
        ),
        (
            base.replace("views", "growth_rate_pop&base_metric=growth_rate_pop"),
            "base_metric",
            "views, likes, comments, shares, saves, followers, posts",
        ),
        (
            base.replace("project&", "video&")
                .replace("views", "growth_rate_pop&base_metric=posts"),
            "base_metric",
            "a video has no posts; it has views",
        ),
        (
            base.replace("project&", "video&")
                .replace("views", "avg_views_per_post"),
            "metric",
            "growth_rate_pop",
        ),
    ] {
        refused(&world, &org, &query, path, hint).await;
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_what_can() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let eleven: Vec<_> = (0..11)
        .map(|n| uuid::Uuid::from_u128(n).to_string())
        .collect();
    let base = format!("entity=project&entity_id={project}&metric=views");
    for (query, path, hint) in [
        ("entity=project".to_owned(), "entity_id", "required"),
        (
            base.replace("project&", "org&"),
            "entity",
            "video, creator, campaign, project",
        ),
        (
            base.replace("views", "shrugs"),
            "metric",
            "engagement_rate_by_views",
        ),
        (
            base.replace("project&", "video&").replace("views", "posts"),
            "metric",
            "likes",
        ),
        (
            format!("{base}&entity_id={project}"),
            "entity_id",
            "repeated",
        ),
        (
            base.replace(&project.to_string(), &eleven.join(",")),
            "entity_id",
            "10",
        ),
        (
            format!("entity=project&entity_id={project},{project}&metric=views"),
            "entity_id",
            "twice",
        ),
        (format!("{base}&mode=old"), "mode", "new, cumulative"),
        (
            format!("{base}&granularity=hour"),
            "granularity",
            "day, week, month, custom",
        ),
        (
            format!("{base}&granularity=custom"),
            "bucket_days",
            "custom",
        ),
        (format!("{base}&bucket_days=7"), "bucket_days", "custom"),
        (
            format!("{base}&granularity=custom&bucket_days=91"),
            "bucket_days",
            "90",
        ),
        (
            format!("{base}&from=2026-02-01&to=2026-01-01"),
            "from",
            "after",
        ),
        (format!("{base}&from=2999-01-01"), "from", "after"),
        (format!("{base}&from=2026-1-1"), "from", "YYYY-MM-DD"),
        (
            format!("{base}&from=2020-01-01&to=2025-01-01"),
            "granularity",
            "1100",
        ),
        (format!("{base}&tz=Mars/Olympus"), "tz", "IANA"),
        (format!("{base}&format=xml"), "format", "json, csv"),
    ] {
        refused(&world, &org, &query, path, hint).await;
    }
    // Nothing else counts as unknown.
    let query = format!("entity=video&entity_id={project}&metric=followers&tz=UTC&format=csv");
    let reply = world.get(&org.key, &format!("/analytics?{query}")).await;
    let issues = reply.json()["meta"]["issues"].clone();
    assert_eq!(issues.as_array().unwrap().len(), 1, "{issues}");
}

#[tokio::test]
async fn history_ends_with_the_plan() {
    let world = World::start().await;
    let org = world.org_on(Plan::Starter).await;
    let project = world.project(&org, "Spring").await;
    let asked = |from: &str, id: &str| {
        format!("/analytics?entity=project&entity_id={id}&metric=views&from={from}&to={from}")
    };
    let today = world.now().date();
    let oldest = today - chrono::Days::new(365);
    let id = project.to_string();
    let reply = world.get(&org.key, &asked(&oldest.to_string(), &id)).await;
    assert_eq!(reply.data()["tier_retention_days"], 365);
    // Tomorrow it is too old: no cache keeps it longer.
    let until = reply.json()["meta"]["validUntil"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        until.starts_with(&(today + chrono::Days::new(1)).to_string()),
        "{until}"
    );

    let older = (oldest - chrono::Days::new(1)).to_string();
    let reply = world.get(&org.key, &asked(&older, &id)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (402, "retention_exceeded")
    );
    assert!(reply.position() > 0, "an error is of a position too");
    let meta = reply.json()["meta"].clone();
    assert_eq!(
        (&meta["tier_retention_days"], &meta["earliest"]),
        (&json!(365), &json!(oldest))
    );
    // Existence comes first.
    let missing = "0192f0c1-2b7e-7c00-8000-00000000abcd";
    assert_eq!(
        world.get(&org.key, &asked(&older, missing)).await.code(),
        "not_found"
    );

    world
        .append(
            &org,
            vec![
                PlanChanged {
                    plan: Plan::Ultra,
                    previous: Plan::Starter,
                }
                .into(),
            ],
        )
        .await;
    assert_eq!(world.get(&org.key, &asked(&older, &id)).await.status, 200);
    // A downgrade leaves the former window for a while, and the answer says until when.
    world
        .append(
            &org,
            vec![
                PlanChanged {
                    plan: Plan::Starter,
                    previous: Plan::Ultra,
                }
                .into(),
            ],
        )
        .await;
    let kept = world.get(&org.key, &asked(&older, &id)).await;
    assert_eq!(kept.data()["tier_retention_days"], 365);
    assert_ne!(kept.json()["meta"]["validUntil"], Value::Null);
}

#[tokio::test]
async fn an_answer_that_time_changes_says_when() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let base = format!("/analytics?entity=project&entity_id={project}&metric=views");
    let until = |reply: &Reply| reply.json()["meta"]["validUntil"].clone();
    let today = world.now().date();
    let midnight = json!(format!("{}T00:00:00.000000Z", today + chrono::Days::new(1)));
    let defaults = world.get(&org.key, &base).await;
    assert_eq!(until(&defaults), midnight);
    assert_eq!(
        defaults.data()["from"],
        json!(today - chrono::Days::new(29))
    );
    let past = world
        .get(&org.key, &format!("{base}&from=2026-01-01&to=2026-01-02"))
        .await;
    assert_eq!(until(&past), Value::Null);
    let running = format!("{base}&from={today}&to={today}");
    assert_eq!(until(&world.get(&org.key, &running).await), midnight);
}

#[tokio::test]
async fn the_orgs_zone_is_the_default_and_may_change() {
    let world = World::start().await;
    let org: Org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let path = format!("/analytics?entity=project&entity_id={project}&metric=views");
    assert_eq!(world.get(&org.key, &path).await.data()["tz"], "UTC");
    let changed = OrgChanged {
        name: None,
        timezone: Some("Pacific/Chatham".to_owned()),
    };
    world.append(&org, vec![changed.into()]).await;
    assert_eq!(
        world.get(&org.key, &path).await.data()["tz"],
        "Pacific/Chatham"
    );
}

#[tokio::test]
async fn the_period_before_stands_beside_bucket_by_bucket() {
    let world = World::start().await;
    let (org, project, _) = measured(&world).await;
    let path = format!(
        "/analytics?entity=project&entity_id={project}&metric=views&compare=prior_period\
         &from=2026-01-03&to=2026-01-04"
    );
    let data = world.get(&org.key, &path).await.data();
    let point = |t: &str, value: i64, first: bool| json!({"t": t, "value": value, "is_partial": false, "is_baseline": first});
    let days = |series: &Value| series[0]["points"].clone();
    assert_eq!(
        days(&data["series"]),
        json!([
            point("2026-01-03", 0, false),
            point("2026-01-04", -10, false)
        ])
    );
    assert_eq!(
        days(&data["compare_series"]),
        json!([point("2026-01-01", 0, true), point("2026-01-02", 30, false)])
    );
    let prior = &data["compare_series"][0];
    assert_eq!(
        (&prior["total"], &prior["start_value"]),
        (&json!(30), &json!(100))
    );
    assert_eq!(prior["entity_ref"], data["series"][0]["entity_ref"]);
    // One series each, in the order asked.
    let other = world.project(&org, "Other").await;
    let both = path.replace(&project.to_string(), &format!("{other},{project}"));
    let data = world.get(&org.key, &both).await.data();
    for name in ["series", "compare_series"] {
        let ids = data[name].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|one| one["entity_ref"]["id"].clone()).collect();
        assert_eq!(ids, [json!(other), json!(project)]);
    }
}

#[tokio::test]
async fn of_the_period_before_only_what_the_plan_shows_is_told() {
    let world = World::start().await;
    let org = world.org_on(Plan::Free).await;
    let project = world.project(&org, "Spring").await;
    let today = world.now().date();
    let day = |back: u64| today - chrono::Days::new(back);
    let path = format!(
        "/analytics?entity=project&entity_id={project}&metric=posts&mode=cumulative\
         &compare=prior_period&from={}&to={}",
        day(20),
        day(1)
    );
    let reply = world.get(&org.key, &path).await;
    let data = reply.data();
    let points = data["compare_series"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 20);
    // Forty days back to twenty-one: the plan shows thirty.
    let known = points.iter().filter(|point| point["value"] == 0);
    let known: Vec<_> = known.map(|point| point["t"].clone()).collect();
    assert_eq!((known.len(), &known[0]), (10, &json!(day(30))));
    assert_eq!(points[9]["value"], Value::Null);
    // Tomorrow the first of them is gone.
    let until = reply.json()["meta"]["validUntil"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        until.starts_with(&(today + chrono::Days::new(1)).to_string()),
        "{until}"
    );
    let growth = path
        .replace("metric=posts", "metric=growth_rate_pop&base_metric=views")
        .replace("&compare=prior_period", "");
    let data = world.get(&org.key, &growth).await.data();
    assert_eq!(
        (&data["mode"], &data["base_metric"]),
        (&Value::Null, &json!("views"))
    );
    assert_eq!(data["series"][0]["total"], Value::Null);
}

#[tokio::test]
async fn derived_metrics_say_what_they_count_in() {
    let world = World::start().await;
    let (org, project, video) = measured(&world).await;
    let asked = |metric: &str| {
        format!(
            "/analytics?entity=project&entity_id={project}&metric={metric}&{RANGE}&mode=cumulative"
        )
    };
    for (metric, unit, total) in [
        ("engagement_rate_by_followers", "percent", Value::Null),
        ("posts_per_week", "posts_per_week", json!(1.75)),
        ("avg_views_per_post", "count", json!(20)),
        ("growth_rate_pop&base_metric=posts", "percent", Value::Null),
    ] {
        let data = world.get(&org.key, &asked(metric)).await.data();
        assert_eq!(
            (&data["unit"], &data["mode"]),
            (&json!(unit), &Value::Null),
            "{metric}"
        );
        let series = &data["series"][0];
        assert_eq!(
            (&series["total"], &series["start_value"]),
            (&total, &Value::Null),
            "{metric}"
        );
    }
    let path = format!(
        "/analytics?entity=video&entity_id={video}&metric=growth_rate_pop&base_metric=views\
         &from=2026-01-03&to=2026-01-04&granularity=custom&bucket_days=2"
    );
    let data = world.get(&org.key, &path).await.data();
    // -10 in two days after 30 in the two before.
    assert_eq!(data["series"][0]["points"][0]["value"], json!(-133.3333));
    assert_eq!(data["series"][0]["total"], json!(-133.3333));
}

#[tokio::test]
async fn all_kinds_of_series_stand_in_one_file() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let creator = world.creator(&org, project, "ada").await;
    for number in 0..11 {
        let status = TrackingStatus::AutoTracked;
        let video = world.video(&org, project, creator, number, status).await;
        let readings = [
            ("2026-01-01T10:00:00Z", 5),
            ("2026-01-03T10:00:00Z", 5 + number),
        ];
        let readings = readings.map(|(at, count)| Reading::VideoStats(views(video, at, count)));
        let recorded = ObservationRecorded {
            readings: readings.into(),
        };
        world.append(&org, vec![recorded.into()]).await;
    }
    let path = format!(
        "/analytics?entity=creator&entity_id={creator}&metric=views&breakdown=video\
         &compare=prior_period&from=2026-01-03&to=2026-01-03"
    );
    let data = world.get(&org.key, &path).await.data();
    let breakdown = data["breakdown_series"].as_array().unwrap();
    let totals: Vec<_> = breakdown
        .iter()
        .map(|one| one["total"].as_i64().unwrap())
        .collect();
    assert_eq!(totals, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(
        breakdown[10]["entity_ref"],
        json!({"type": "video", "id": "__other__", "label": "Other"})
    );
    assert_eq!(breakdown[0]["entity_ref"]["label"], "10");
    let file = world.get(&org.key, &format!("{path}&format=csv")).await;
    let text = std::str::from_utf8(&file.body).unwrap();
    let rows: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 1 + 1 + 1 + 11);
    assert_eq!(
        rows[1],
        format!("main,creator,{creator},ada,views,new,day,2026-01-03,2026-01-03,55,false,false")
    );
    assert_eq!(
        rows[2],
        format!("compare,creator,{creator},ada,views,new,day,2026-01-02,2026-01-02,0,false,false")
    );
    let first = breakdown[0]["entity_ref"]["id"].as_str().unwrap();
    assert_eq!(
        rows[3],
        format!("breakdown,video,{first},10,views,new,day,2026-01-03,2026-01-03,10,false,false")
    );
    assert_eq!(
        rows[13],
        "breakdown,video,__other__,Other,views,new,day,2026-01-03,2026-01-03,0,false,false"
    );
}
