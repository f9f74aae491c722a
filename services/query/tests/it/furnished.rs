//! An org with two of everything, and every question that can be asked of it.

use api::route::{Access, ROUTES, Route, Service};
use domain::event::{
    AnnotationAdded, AnnotationKind, CampaignItemsAdded, EntityRef, Event, GoalAdded, GoalMetric,
    GoalPeriod, KeyChanged, ObservationRecorded, OrgChanged, Reading, Role, TrackingStatus,
    VideoDetails,
};
use domain::ids::{AnnotationId, CreatorId, GoalId, ProjectId, VideoId};
use domain::scope::Scopes;
use domain::text::{Label, Name};
use utoipa::openapi::OpenApi;
use uuid::Uuid;

use crate::routes::{parameters, query};
use crate::support::{Org, Person, Reply, World, instant, views};

/// What there is of it.
pub struct Furnished {
    pub org: Org,
    pub admin: Person,
    pub ids: Ids,
}

/// What questions name.
#[derive(Clone, Copy)]
pub struct Ids {
    pub project: Uuid,
    pub creator: Uuid,
    pub video: Uuid,
    pub campaign: Uuid,
    pub other_campaign: Uuid,
    pub key: Uuid,
    pub user: Uuid,
    pub webhook: Uuid,
}

/// A path, and who may ask.
pub struct Question {
    pub access: Access,
    pub path: String,
}

impl Ids {
    pub const fn all(id: Uuid) -> Self {
        Self {
            project: id,
            creator: id,
            video: id,
            campaign: id,
            other_campaign: Uuid::from_u128(id.as_u128() + 1),
            key: id,
            user: id,
            webhook: id,
        }
    }

    pub fn of_path(&self, path: &str) -> Uuid {
        match path.split('/').nth(1) {
            Some("projects") => self.project,
            Some("creators") => self.creator,
            Some("videos") => self.video,
            Some("campaigns") => self.campaign,
            Some("api-keys") => self.key,
            Some("webhooks") => self.webhook,
            other => panic!("{other:?} is nothing that is asked for by its id"),
        }
    }

    /// What a parameter is given, if it takes an id; an `entity_id` for each kind of entity.
    fn of_parameter(&self, name: &str) -> Vec<String> {
        match name {
            "project_id" => vec![format!("project_id={}", self.project)],
            "creator_id" => vec![format!("creator_id={}", self.creator)],
            "owner_id" => vec![format!("owner_id={}", self.user)],
            "user_id" => vec![format!("user_id={}", self.user)],
            "campaign_ids" => {
                let (one, other) = (self.campaign, self.other_campaign);
                vec![format!("campaign_ids={one},{other}")]
            }
            "entity_id" => [
                ("project", self.project),
                ("creator", self.creator),
                ("video", self.video),
                ("campaign", self.campaign),
            ]
            .map(|(kind, id)| format!("entity={kind}&entity_id={id}"))
            .to_vec(),
            name if name.ends_with("id") || name.ends_with("ids") => {
                panic!("nothing is known of the parameter {name}")
            }
            _ => Vec::new(),
        }
    }
}

/// The routes that answer queries of orgs.
pub fn queries() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| {
        route.service() == Service::Query
            && route.access != Access::Public
            && route.replacement.is_none()
    })
}

/// Every question: by each path, and with each parameter that takes an id.
pub fn questions(document: &OpenApi, ids: &Ids) -> Vec<Question> {
    let mut questions = Vec::new();
    for route in queries() {
        let mut path = route.path.to_owned();
        if route.has_id() {
            path = path.replace("{id}", &ids.of_path(route.path).to_string());
        }
        let required = query(route.path, &ids.project.to_string());
        let mut add = |query: &str| {
            let path = format!("{path}{query}");
            let access = route.access;
            questions.push(Question { access, path });
        };
        add(&required);
        let operation = document.paths.paths[route.path].get.as_ref().unwrap();
        for name in parameters(operation) {
            for given in ids.of_parameter(&name) {
                match name.as_str() {
                    "entity_id" if route.path == "/analytics" => {
                        add(&format!("?{given}&metric=views"));
                    }
                    // A mark of a project is about nothing in it.
                    "entity_id" if given.starts_with("entity=project") => {}
                    _ if required.contains(&format!("{name}=")) => {}
                    _ if required.is_empty() => add(&format!("?{given}")),
                    _ => add(&format!("{required}&{given}")),
                }
            }
        }
    }
    questions
}

/// An org with two of everything, whose every text has the mark in it.
pub async fn furnished(world: &World, mark: &str) -> Furnished {
    let org = world.org().await;
    let [project, _] = [
        world.project(&org, &format!("Project {mark}")).await,
        world.project(&org, &format!("Second {mark}")).await,
    ];
    let [creator, other_creator] = [
        world.creator(&org, project, mark).await,
        world
            .creator(&org, project, &format!("second.{mark}"))
            .await,
    ];
    let mut videos = Vec::new();
    for (number, status) in [
        TrackingStatus::AutoTracked,
        TrackingStatus::AutoTracked,
        TrackingStatus::PendingReview,
        TrackingStatus::PendingReview,
    ]
    .into_iter()
    .enumerate()
    {
        let found = world.video(&org, project, creator, number as u64, status);
        videos.push(found.await);
    }
    let [campaign, other_campaign] = [
        world
            .campaign(&org, project, &format!("Campaign {mark}"))
            .await,
        world
            .campaign(&org, project, &format!("Second {mark}"))
            .await,
    ];
    let admin = world.person(&org, Role::Admin, mark).await;
    world.person(&org, Role::Member, mark).await;
    world.session(&org, admin.id, Role::Admin).await;
    for name in ["first", "second"] {
        let email = format!("{name}.{mark}@example.com");
        world.invite(&org, &email).await;
    }
    world.key(&org, Scopes::DEFAULT).await;
    let mut events = vec![
        OrgChanged {
            name: Some(Name::parse(&format!("Org {mark}")).unwrap()),
            timezone: None,
        }
        .into(),
        KeyChanged {
            name: Some(Name::parse(&format!("Key {mark}")).unwrap()),
            ..KeyChanged::nothing(org.key_id)
        }
        .into(),
        read(videos[0], mark),
        CampaignItemsAdded {
            campaign_id: campaign,
            items: vec![EntityRef::Creator(creator), EntityRef::Video(videos[0])],
        }
        .into(),
    ];
    for creator in [creator, other_creator] {
        events.push(goal(world, creator));
    }
    for number in 1..=2 {
        events.push(annotation(
            world,
            project,
            &format!("Label {number} {mark}"),
        ));
    }
    world.append(&org, events).await;
    let webhook = world.webhook(&org, &format!("Webhook {mark}")).await;
    world.webhook(&org, &format!("Second {mark}")).await;
    for _ in 0..2 {
        world.delivery(&org, webhook, mark).await;
    }
    let ids = Ids {
        project: project.as_uuid(),
        creator: creator.as_uuid(),
        video: videos[0].as_uuid(),
        campaign: campaign.as_uuid(),
        other_campaign: other_campaign.as_uuid(),
        key: org.key_id.as_uuid(),
        user: admin.id.as_uuid(),
        webhook: webhook.as_uuid(),
    };
    Furnished { org, admin, ids }
}

fn read(video_id: VideoId, mark: &str) -> Event {
    let details = VideoDetails {
        video_id,
        observed_at: instant("2026-01-03T00:00:00Z"),
        url: None,
        title: Some(format!("Title {mark}")),
        posted_at: None,
        media_type: None,
        thumbnail_url: None,
    };
    let readings = vec![
        Reading::Video(details),
        Reading::VideoStats(views(video_id, "2026-01-03T00:00:00Z", 12)),
        Reading::VideoStats(views(video_id, "2026-01-04T00:00:00Z", 4_711)),
    ];
    ObservationRecorded { readings }.into()
}

fn goal(world: &World, creator_id: CreatorId) -> Event {
    GoalAdded {
        goal_id: GoalId::generate(world.now(), world.entropy.bytes()),
        creator_id,
        metric: GoalMetric::Views,
        period: GoalPeriod::Monthly,
        target_value: 4_711,
        start_date: None,
        end_date: None,
    }
    .into()
}

fn annotation(world: &World, project_id: ProjectId, label: &str) -> Event {
    AnnotationAdded {
        annotation_id: AnnotationId::generate(world.now(), world.entropy.bytes()),
        project_id,
        entity: None,
        kind: AnnotationKind::Launch,
        date: "2026-01-04".parse().unwrap(),
        label: Label::parse(label).unwrap(),
        body: None,
    }
    .into()
}

/// Asks as whoever may: keys see all but what is for persons.
pub async fn ask(world: &World, of: &Furnished, path: &str) -> Reply {
    let is_personal = ["/sessions", "/invitations/received"]
        .iter()
        .any(|known| path.starts_with(known));
    let secret = if is_personal {
        &of.admin.secret
    } else {
        &of.org.key
    };
    world.get(secret, path).await
}
