//! Answers that are kept: never stale, equal to fresh ones, without asking Postgres.

use std::collections::HashMap;

use domain::event::{
    AnnotationAdded, AnnotationKind, CampaignItemsAdded, CampaignItemsRemoved, CreatorProfile,
    CreatorRemoved, EntityRef, Event, GoalAdded, GoalMetric, GoalPeriod, KeyChanged,
    ObservationRecorded, OrgChanged, ProjectAdded, ProjectChanged, ProjectRemoved, Reading,
    TrackingStatus, VideoReviewed,
};
use domain::ids::{AnnotationId, CampaignId, CreatorId, GoalId, ProjectId, VideoId};
use domain::scope::{Scope, Scopes};
use domain::text::{Label, Metadata, ProjectName};
use http::Method;
use runtime::entropy::Entropy;

use crate::routes::query;
use crate::support::{Org, World, bearer, instant, metric, views};

#[tokio::test]
async fn a_kept_answer_asks_nothing_of_postgres_and_what_cannot_be_answered_is_503() {
    let world = World::start().await;
    let org = world.org().await;
    world.project(&org, "Spring").await;
    let fresh = world.get(&org.key, "/projects").await;
    let hits = metric("tga_query_cache_lookups_total{outcome=\"hit\"}");
    // Kept as soon as the follower is where the projection was.
    testkit::eventually(crate::support::PATIENCE, "the answer is kept", async || {
        world.replica.get(&org.key, "/projects").await;
        (metric("tga_query_cache_lookups_total{outcome=\"hit\"}") > hits).then_some(())
    })
    .await;
    world.replica.reads.close().await;
    for path in ["/projects", "/projects?"] {
        let kept = world.replica.get(&org.key, path).await;
        if path == "/projects" {
            assert_eq!((kept.status.as_u16(), &kept.body), (200, &fresh.body));
            assert_eq!(kept.header("etag"), fresh.header("etag"));
            assert_eq!(kept.position(), fresh.position());
        } else {
            assert_eq!(
                (kept.status.as_u16(), kept.code().as_str()),
                (503, "projection_unavailable")
            );
            assert!((1..=3).contains(&kept.header("retry-after").parse().unwrap()));
            assert_ne!(kept.header("ratelimit"), "");
        }
    }
    // The table, the scope and the credential come before the answer that is kept.
    let writer = world.key(&org, Scopes::NONE.with(Scope::Write)).await;
    let refused = world.replica.get(&writer, "/projects").await;
    assert_eq!(refused.code(), "insufficient_scope");
}

#[tokio::test]
async fn a_position_that_is_not_there_in_time_is_503() {
    let world = World::start().await;
    let org = world.org().await;
    let reached = world.get(&org.key, "/projects").await.position();
    let wanted = (reached + 1).to_string();
    let ask = [bearer(&org.key), ("tga-min-position", wanted.as_str())];
    for _ in 0..2 {
        let began = world.clock.monotonic();
        let reply = world.replica.send(Method::GET, "/projects", &ask).await;
        assert_eq!(reply.code(), "projection_unavailable");
        assert!((1..=3).contains(&reply.header("retry-after").parse().unwrap()));
        let elapsed = world.clock.monotonic().saturating_since(began);
        assert!(elapsed.as_millis() >= 2_000, "{elapsed:?}");
    }
    world.project(&org, "Spring").await;
    let reply = world.replica.send(Method::GET, "/projects", &ask).await;
    assert_eq!(reply.data().as_array().unwrap().len(), 1);
    assert!(reply.position() > reached);
}

#[tokio::test]
async fn a_tag_follows_the_content_and_saves_the_body() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let path = format!("/projects/{project}");
    let first = world.get(&org.key, &path).await;
    // Something that the answer does not show.
    world.creator(&org, project, "ada").await;
    let head = world.log.head().await.unwrap().position.to_string();
    let tag = first.header("etag").to_owned();
    let ask = [
        bearer(&org.key),
        ("if-none-match", tag.as_str()),
        ("tga-min-position", head.as_str()),
    ];
    for _ in 0..2 {
        let same = world.replica.send(Method::GET, &path, &ask).await;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
        assert_eq!(same.header("etag"), tag);
        assert!(same.position() >= head.parse().unwrap());
        assert_eq!(same.header("cache-control"), "private, no-store");
        assert_ne!(same.header("ratelimit"), "");
    }
    let changed = ProjectChanged {
        project_id: project,
        name: Some(ProjectName::parse("Summer").unwrap()),
        readme: None,
        metadata: None,
    };
    world.append(&org, vec![changed.into()]).await;
    let changed = world.get(&org.key, &path).await;
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(changed.data()["name"], "Summer");
}

#[tokio::test]
async fn a_wider_scope_holds_at_its_position() {
    let world = World::start().await;
    let org = world.org().await;
    let (key_id, key, event) = world.new_key(Scopes::NONE.with(Scope::Write), 1_000);
    world.append(&org, vec![event]).await;
    for round in 0..5 {
        let scopes = if round % 2 == 0 {
            Scopes::DEFAULT
        } else {
            Scopes::NONE.with(Scope::Write)
        };
        let changed = KeyChanged {
            key_id,
            name: None,
            scopes: Some(scopes),
            expires_at: None,
            ip_allowlist: None,
            rate_limit_per_minute: None,
            strict: None,
            owner_id: None,
            narrowed: round % 2 == 1,
        };
        world.append(&org, vec![changed.into()]).await;
        let status = if round % 2 == 0 { 200 } else { 403 };
        assert_eq!(world.get(&key, "/projects").await.status, status, "{round}");
    }
}

/// Writers beside readers of one list: whoever read after their own write saw it.
#[tokio::test]
async fn a_write_is_seen_by_the_next_read_at_its_position() {
    let world = World::start().await;
    let org = world.org().await;
    let project = world.project(&org, "Spring").await;
    let creator = world.creator(&org, project, "ada").await;
    let mut videos = Vec::new();
    for number in 0..4 {
        videos.push(
            world
                .video(&org, project, creator, number, TrackingStatus::AutoTracked)
                .await,
        );
    }
    let analytics = format!(
        "/analytics?entity=project&entity_id={project}&metric=views&mode=cumulative\
         &from=2026-01-01&to=2026-02-01"
    );
    let write_and_read = async |video: VideoId| {
        for count in 1..=25_u64 {
            let at = format!("2026-01-{count:02}T00:00:00Z");
            let readings = vec![Reading::VideoStats(views(video, &at, count))];
            let position = world
                .append(&org, vec![ObservationRecorded { readings }.into()])
                .await;
            let position = position.to_string();
            let ask = [bearer(&org.key), ("tga-min-position", position.as_str())];
            let one = format!("/videos/{video}");
            for path in ["/videos", &one, &analytics] {
                let reply = world.replica.send(Method::GET, path, &ask).await;
                let data = reply.data();
                assert!(reply.position() >= position.parse().unwrap());
                let seen = match path {
                    "/videos" => {
                        let mut items = data.as_array().unwrap().iter();
                        let item = items.find(|item| item["id"] == serde_json::json!(video));
                        item.unwrap()["view_count"].clone()
                    }
                    path if path == one => data["view_count"].clone(),
                    // The others' too: at least what this one wrote.
                    _ => {
                        assert!(data["series"][0]["total"].as_u64().unwrap() >= count);
                        continue;
                    }
                };
                assert_eq!(seen, count, "{path}");
            }
        }
    };
    futures_util::future::join_all(videos.into_iter().map(write_and_read)).await;
}

/// After any writes, a replica that keeps answers and one that keeps none say the same.
#[tokio::test]
async fn kept_answers_equal_fresh_ones_under_random_writes() {
    let world = World::start().await;
    let plain = world.another_replica(&["--response-cache-mib", "0"]).await;
    for seed in [1, 2] {
        let org = world.org().await;
        let mut author = Author::new(&world, &org, seed);
        for _ in 0..60 {
            author.write().await;
            let head = world.log.head().await.unwrap().position.to_string();
            let ask = [bearer(&org.key), ("tga-min-position", head.as_str())];
            // What was written is known here once something was answered at its position. From then
            // on a kept answer that no event touched is given, and must be what a fresh one says.
            world.replica.send(Method::GET, "/orgs/self", &ask).await;
            for path in author.paths() {
                let kept = world.replica.get(&org.key, &path).await;
                let fresh = plain.send(Method::GET, &path, &ask).await;
                assert_eq!(
                    (kept.status, &kept.body),
                    (fresh.status, &fresh.body),
                    "{path}"
                );
                let again = world.replica.send(Method::GET, &path, &ask).await;
                assert_eq!(again.body, fresh.body, "{path}");
            }
        }
    }
}

/// Writes whatever comes to mind.
struct Author<'a> {
    world: &'a World,
    org: &'a Org,
    entropy: Entropy,
    projects: Vec<ProjectId>,
    creators: Vec<(ProjectId, CreatorId)>,
    videos: HashMap<VideoId, Video>,
    campaigns: Vec<Campaign>,
    numbers: u64,
}

struct Video {
    project: ProjectId,
    creator: CreatorId,
    status: TrackingStatus,
}

struct Campaign {
    id: CampaignId,
    project: ProjectId,
    items: Vec<EntityRef>,
}

impl<'a> Author<'a> {
    fn new(world: &'a World, org: &'a Org, seed: u64) -> Self {
        Self {
            world,
            org,
            entropy: Entropy::seeded(seed),
            projects: Vec::new(),
            creators: Vec::new(),
            videos: HashMap::new(),
            campaigns: Vec::new(),
            numbers: 0,
        }
    }

    fn pick(&self, count: usize) -> usize {
        usize::try_from(self.entropy.u64() % count.max(1) as u64).unwrap()
    }

    async fn write(&mut self) {
        let (world, org) = (self.world, self.org);
        self.numbers += 1;
        let event: Event = match self.pick(18) {
            _ if self.projects.is_empty() => self.add_project(),
            0 => self.add_project(),
            1 if self.projects.len() > 1 => {
                let project_id = self.projects.swap_remove(0);
                self.creators.retain(|(project, _)| *project != project_id);
                self.campaigns.retain(|one| one.project != project_id);
                ProjectRemoved { project_id }.into()
            }
            2 => OrgChanged {
                name: None,
                timezone: Some(["UTC", "Asia/Kathmandu"][self.pick(2)].to_owned()),
            }
            .into(),
            3 if self.creators.len() > 1 => {
                let (_, creator_id) = self.creators.swap_remove(0);
                let mut events = self.leave(creator_id);
                events.push(CreatorRemoved { creator_id }.into());
                world.append(org, events).await;
                return;
            }
            4..=6 => {
                let project = self.projects[self.pick(self.projects.len())];
                let handle = format!("ada{}", self.numbers);
                let creator = world.creator(org, project, &handle).await;
                self.creators.push((project, creator));
                return;
            }
            7 | 8 if !self.creators.is_empty() => {
                let (project, creator) = self.creators[self.pick(self.creators.len())];
                let status = [TrackingStatus::AutoTracked, TrackingStatus::PendingReview];
                let status = status[self.pick(2)];
                let video = world
                    .video(org, project, creator, self.numbers, status)
                    .await;
                let video_of = Video {
                    project,
                    creator,
                    status,
                };
                self.videos.insert(video, video_of);
                return;
            }
            9 if !self.videos.is_empty() => {
                let index = self.pick(self.videos.len());
                let (video_id, video) = self.videos.iter_mut().nth(index).unwrap();
                let next = if video.status == TrackingStatus::Excluded {
                    TrackingStatus::Included
                } else {
                    TrackingStatus::Excluded
                };
                let previous = std::mem::replace(&mut video.status, next);
                VideoReviewed {
                    video_id: *video_id,
                    tracking_status: next,
                    previous,
                }
                .into()
            }
            10 => {
                let project = self.projects[self.pick(self.projects.len())];
                let id = world.campaign(org, project, "Spring").await;
                self.campaigns.push(Campaign {
                    id,
                    project,
                    items: Vec::new(),
                });
                return;
            }
            11..=13 if !self.campaigns.is_empty() => {
                let Some(event) = self.hold() else { return };
                event
            }
            14 if !self.creators.is_empty() => self.aim(),
            15 => self.mark(),
            _ => self.observe(),
        };
        world.append(org, vec![event]).await;
    }

    /// A campaign holds something more, or what it held last no longer.
    fn hold(&mut self) -> Option<Event> {
        let (index, drops) = (self.pick(self.campaigns.len()), self.pick(3) == 0);
        let campaign = &self.campaigns[index];
        let (campaign_id, project) = (campaign.id, campaign.project);
        if drops {
            let items = vec![self.campaigns[index].items.pop()?];
            return Some(CampaignItemsRemoved { campaign_id, items }.into());
        }
        let creators = self.creators.iter();
        let creators = creators.filter(|(of, _)| *of == project);
        let creators = creators.map(|(_, creator)| EntityRef::Creator(*creator));
        let videos = self.videos.iter().filter(|(_, video)| {
            video.project == project && self.creators.iter().any(|(_, one)| *one == video.creator)
        });
        let videos = videos.map(|(video, _)| EntityRef::Video(*video));
        let free = creators.chain(videos);
        let free: Vec<_> = free.filter(|it| !campaign.items.contains(it)).collect();
        let item = *free.get(self.pick(free.len()))?;
        self.campaigns[index].items.push(item);
        let items = vec![item];
        Some(CampaignItemsAdded { campaign_id, items }.into())
    }

    /// A removed creator leaves campaigns with their videos.
    fn leave(&mut self, creator: CreatorId) -> Vec<Event> {
        let videos = &self.videos;
        let is_gone = |item: &EntityRef| match item {
            EntityRef::Creator(id) => *id == creator,
            EntityRef::Video(id) => videos[id].creator == creator,
            EntityRef::Campaign(_) => false,
        };
        let mut events = Vec::new();
        for campaign in &mut self.campaigns {
            let items: Vec<_> = campaign.items.extract_if(.., |it| is_gone(it)).collect();
            if !items.is_empty() {
                let campaign_id = campaign.id;
                events.push(CampaignItemsRemoved { campaign_id, items }.into());
            }
        }
        events
    }

    fn aim(&self) -> Event {
        let (_, creator_id) = self.creators[self.pick(self.creators.len())];
        GoalAdded {
            goal_id: GoalId::generate(self.world.now(), self.world.entropy.bytes()),
            creator_id,
            metric: GoalMetric::ALL[self.pick(4)],
            period: GoalPeriod::ALL[self.pick(3)],
            target_value: 1 + self.numbers,
            start_date: None,
            end_date: None,
        }
        .into()
    }

    fn mark(&self) -> Event {
        AnnotationAdded {
            annotation_id: AnnotationId::generate(self.world.now(), self.world.entropy.bytes()),
            project_id: self.projects[self.pick(self.projects.len())],
            entity: None,
            kind: AnnotationKind::Note,
            date: "2026-01-15".parse().unwrap(),
            label: Label::parse(&format!("Mark {}", self.numbers)).unwrap(),
            body: None,
        }
        .into()
    }

    fn add_project(&mut self) -> Event {
        let project_id = ProjectId::generate(self.world.now(), self.world.entropy.bytes());
        self.projects.push(project_id);
        ProjectAdded {
            project_id,
            name: ProjectName::parse(&format!("P {}", self.numbers)).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        }
        .into()
    }

    fn observe(&self) -> Event {
        let at = format!("2026-01-{:02}T00:00:00Z", 1 + self.numbers % 28);
        let stats = self
            .videos
            .keys()
            .map(|video| Reading::VideoStats(views(*video, &at, self.numbers * 10)));
        let profiles = self.creators.iter().map(|(_, creator)| {
            Reading::CreatorProfile(CreatorProfile {
                creator_id: *creator,
                observed_at: instant(&at),
                display_name: None,
                avatar_url: None,
                follower_count: Some(self.numbers),
                following_count: None,
                like_count: None,
                video_count: None,
            })
        });
        let readings: Vec<_> = if self.pick(2) == 0 {
            stats.collect()
        } else {
            profiles.collect()
        };
        ObservationRecorded { readings }.into()
    }

    fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = [
            "/projects",
            "/creators?limit=2",
            "/videos",
            "/orgs/self",
            "/campaigns",
        ]
        .map(str::to_owned)
        .into();
        let ranged = "from=2026-01-01&to=2026-01-31";
        for project in &self.projects {
            for list in ["inbox", "goals"] {
                paths.push(format!("/projects/{project}/{list}"));
            }
            paths.push(format!("/analytics/annotations?project_id={project}"));
            let routes = api::route::ROUTES.iter().map(|route| route.path);
            for path in routes.filter(|path| path.starts_with("/analytics/aggregate/")) {
                // How far goals are reached moves by itself while their period lasts.
                let past = if path.ends_with("/goal-compliance") {
                    "&reference_date=2026-01-15"
                } else {
                    ""
                };
                let asked = query(path, &project.to_string());
                paths.push(format!("{path}{asked}{past}"));
            }
            paths.push(format!(
                "/analytics?entity=project&entity_id={project}&metric=views&{ranged}"
            ));
            paths.push(format!(
                "/analytics?metric=followers&{ranged}&entity=project&entity_id={project}&format=csv"
            ));
        }
        if let Some(campaign) = self.campaigns.first() {
            let id = campaign.id;
            paths.push(format!("/campaigns/{id}"));
            paths.push(format!("/campaigns/{id}/items"));
            paths.push(format!(
                "/analytics?entity=campaign&entity_id={id}&metric=views&{ranged}"
            ));
        }
        if let Some((_, creator)) = self.creators.first() {
            paths.push(format!("/creators/{creator}"));
            paths.push(format!(
                "/analytics?entity=creator&entity_id={creator}&metric=posts&{ranged}"
            ));
            paths.push(format!(
                "/analytics?entity=creator&entity_id={creator}&metric=views&{ranged}\
                 &breakdown=video&compare=prior_period"
            ));
        }
        paths
    }
}
