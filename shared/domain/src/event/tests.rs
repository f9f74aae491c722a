//! Every event type has a sample and a schema in `shared/domain/events/`, for ever.
//! `TGA_WRITE_EVENT_FILES=1 cargo test -p domain event` writes what is missing or changed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use super::TypePattern;
use super::{
    Actor, AnnotationAdded, AnnotationChanged, AnnotationKind, AnnotationRemoved, CampaignAdded,
    CampaignChanged, CampaignItemsAdded, CampaignItemsRemoved, CampaignRemoved, ChainHash,
    CommentId, CommentReading, CreatorAdded, CreatorAutoDisabled, CreatorChanged, CreatorProfile,
    CreatorReactivated, CreatorReenabled, CreatorRemoved, CreatorRenamed, DecodeError, EntityRef,
    Event, EventType, GoalAdded, GoalChanged, GoalMetric, GoalPeriod, GoalRemoved, HandleBanned,
    HandleUnbanned, InvitationAccepted, InvitationCreated, InvitationDeclined, InvitationRevoked,
    KeyChanged, KeyCreated, KeyRevoked, KeyRotated, LimitChanged, LimitWarned, MediaType,
    MemberBanned, MemberJoined, MemberRemoved, MemberRoleChanged, MemberUnbanned,
    ObservationRecorded, OrgChanged, OrgCreated, OrgReinstated, OrgSuspended, PlanChanged,
    ProjectAdded, ProjectChanged, ProjectRemoved, Reading, RecordedEvent, RevocationReason, Role,
    SessionEndReason, SessionEnded, SessionOpened, TrackingDisabledReason, TrackingMode,
    TrackingStatus, VideoAdded, VideoChanged, VideoDetails, VideoDiscovered, VideoPromoted,
    VideoRemoved, VideoReviewed, VideoStats, VideoTrackingDisabled, VideoTrackingEnabled,
    WebhookAdded, WebhookChanged, WebhookDisabled, WebhookRemoved,
};
use crate::cloud_event::CloudEvent;
use crate::ids::{
    AnnotationId, CampaignId, CreatorId, EventId, GlobalPosition, GoalId, InvitationId, InviteeId,
    KeyId, OrgId, ProjectId, SessionId, StreamVersion, UserId, VideoId, WebhookId, WebhookSecretId,
};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform, PlatformVideoId};
use crate::scope::Scopes;
use crate::sealed::SubjectKey;
use crate::text::{
    AnnotationBody, CampaignName, Label, Metadata, Name, ProjectName, Readme, WebhookDescription,
};
use crate::time::Timestamp;
use crate::webhook::{DisabledReason, WebhookUrl};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn uuid(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([n; 16])
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[expect(clippy::too_many_lines, reason = "one arm for each event type")]
/// One event of each type, every optional field filled at least once.
fn sample(event_type: EventType) -> Event {
    let creator_id = CreatorId::from_uuid(uuid(4));
    let video_id = VideoId::from_uuid(uuid(5));
    let project_id = ProjectId::from_uuid(uuid(3));
    let key_id = KeyId::from_uuid(uuid(2));
    let user_id = UserId::from_uuid(uuid(1));
    let invitation_id = InvitationId::from_uuid(uuid(9));
    let session_id = SessionId::from_uuid(uuid(11));
    let platform = Platform::Youtube;
    let handle = Handle::parse(platform, "UCX6OQ3DkcsbYNE6H8uQQuVA").unwrap();
    let platform_video_id = PlatformVideoId::parse(platform, "dQw4w9WgXcQ").unwrap();
    let url = platform_video_id.url(platform, None);
    let readme = Some(Readme::parse("# Target\n5 posts a week").unwrap());
    let metadata = Metadata::parse(&serde_json::json!({"tier": "a", "ünï": 1.5})).unwrap();
    let sealed = |field| SubjectKey::from_bytes([9; 32]).seal(field, "Billy");
    let reason = Some("unpaid".to_owned());
    let net = |text: &str| text.parse().unwrap();
    let campaign_id = CampaignId::from_uuid(uuid(10));
    let goal_id = GoalId::from_uuid(uuid(11));
    let annotation_id = AnnotationId::from_uuid(uuid(12));
    let items = vec![
        EntityRef::Creator(creator_id),
        EntityRef::Video(video_id),
        EntityRef::Campaign(CampaignId::from_uuid(uuid(13))),
    ];
    let day = |text: &str| text.parse().unwrap();
    let webhook_id = WebhookId::from_uuid(uuid(14));
    let hook_url = |path| WebhookUrl::parse(&format!("https://hooks.example.com/{path}")).unwrap();
    let types = vec![TypePattern::parse("key.*").unwrap()];
    match event_type {
        EventType::CampaignAdded => CampaignAdded {
            campaign_id,
            project_id,
            name: CampaignName::parse("Launch of spring").unwrap(),
            readme,
            metadata,
            target_views: Some(1_000_000),
            target_at: Some(at("2026-06-01T00:00:00Z")),
        }
        .into(),
        EventType::CampaignChanged => CampaignChanged {
            campaign_id,
            name: Some(CampaignName::parse("Launch").unwrap()),
            readme: Some(None),
            metadata: Some(metadata),
            target_views: Some(None),
            target_at: Some(Some(at("2026-07-01T00:00:00Z"))),
        }
        .into(),
        EventType::CampaignRemoved => CampaignRemoved { campaign_id }.into(),
        EventType::CampaignItemsAdded => CampaignItemsAdded { campaign_id, items }.into(),
        EventType::CampaignItemsRemoved => CampaignItemsRemoved { campaign_id, items }.into(),
        EventType::GoalAdded => GoalAdded {
            goal_id,
            creator_id,
            metric: GoalMetric::Posts,
            period: GoalPeriod::Weekly,
            target_value: 5,
            start_date: Some(day("2026-03-01")),
            end_date: Some(day("2026-05-31")),
        }
        .into(),
        EventType::GoalChanged => GoalChanged {
            goal_id,
            target_value: Some(7),
            start_date: Some(Some(day("2026-03-08"))),
            end_date: Some(None),
            is_active: Some(false),
        }
        .into(),
        EventType::GoalRemoved => GoalRemoved { goal_id }.into(),
        EventType::AnnotationAdded => AnnotationAdded {
            annotation_id,
            project_id,
            entity: Some(EntityRef::Creator(creator_id)),
            kind: AnnotationKind::Launch,
            date: day("2026-03-02"),
            label: Label::parse("Spring begins").unwrap(),
            body: Some(AnnotationBody::parse("with\na jump").unwrap()),
        }
        .into(),
        EventType::AnnotationChanged => AnnotationChanged {
            annotation_id,
            kind: Some(AnnotationKind::Incident),
            date: Some(day("2026-03-03")),
            label: Some(Label::parse("It rained").unwrap()),
            body: Some(None),
        }
        .into(),
        EventType::AnnotationRemoved => AnnotationRemoved { annotation_id }.into(),
        EventType::WebhookAdded => WebhookAdded {
            webhook_id,
            url: hook_url("in"),
            description: Some(WebhookDescription::parse("To the pager").unwrap()),
            types,
            secret_id: WebhookSecretId::from_uuid(uuid(15)),
        }
        .into(),
        EventType::WebhookChanged => WebhookChanged {
            webhook_id,
            url: Some(hook_url("other?a=b")),
            description: Some(None),
            types: Some(types),
            enabled: Some(true),
            secret_id: Some(WebhookSecretId::from_uuid(uuid(16))),
        }
        .into(),
        EventType::WebhookRemoved => WebhookRemoved { webhook_id }.into(),
        EventType::WebhookDisabled => WebhookDisabled {
            webhook_id,
            reason: DisabledReason::Failing,
        }
        .into(),
        EventType::OrgCreated => OrgCreated {
            name: Name::parse("Goats & Co").unwrap(),
            plan: Plan::Ultra,
            timezone: "Pacific/Auckland".to_owned(),
        }
        .into(),
        EventType::OrgChanged => OrgChanged {
            name: Some(Name::parse("Goats").unwrap()),
            timezone: Some("UTC".into()),
        }
        .into(),
        EventType::PlanChanged => PlanChanged {
            plan: Plan::Starter,
            previous: Plan::Ultra,
        }
        .into(),
        EventType::LimitChanged => LimitChanged {
            limit_key: LimitKey::MaxCreatorsPerOrg,
            value: Some(100_000),
        }
        .into(),
        EventType::OrgSuspended => OrgSuspended { reason }.into(),
        EventType::OrgReinstated => OrgReinstated {}.into(),
        EventType::MemberJoined => MemberJoined {
            user_id,
            role: Role::Admin,
        }
        .into(),
        EventType::MemberRoleChanged => MemberRoleChanged {
            user_id,
            role: Role::Member,
            previous: Role::Admin,
        }
        .into(),
        EventType::MemberRemoved => MemberRemoved { user_id }.into(),
        EventType::MemberBanned => MemberBanned { user_id, reason }.into(),
        EventType::MemberUnbanned => MemberUnbanned { user_id }.into(),
        EventType::HandleBanned => HandleBanned {
            platform,
            handle,
            reason,
        }
        .into(),
        EventType::HandleUnbanned => HandleUnbanned { platform, handle }.into(),
        EventType::InvitationCreated => InvitationCreated {
            invitation_id,
            invitee_id: InviteeId::from_uuid(uuid(10)),
            role: Role::Member,
            expires_at: at("2026-03-08T12:00:00Z"),
        }
        .into(),
        EventType::InvitationAccepted => InvitationAccepted {
            invitation_id,
            user_id,
        }
        .into(),
        EventType::InvitationDeclined => InvitationDeclined { invitation_id }.into(),
        EventType::InvitationRevoked => InvitationRevoked { invitation_id }.into(),
        EventType::SessionOpened => SessionOpened {
            session_id,
            user_id,
            role: Role::Admin,
            expires_at: at("2026-03-08T12:00:00Z"),
            hash: None,
        }
        .into(),
        EventType::SessionEnded => SessionEnded {
            session_id,
            user_id,
            reason: SessionEndReason::Requested,
        }
        .into(),
        EventType::KeyCreated => KeyCreated {
            key_id,
            name: Name::parse("Reporting").unwrap(),
            prefix: "tga_01234567…7e5a".to_owned(),
            scopes: Scopes::ORG_ADMIN,
            owner_id: Some(user_id),
            expires_at: Some(at("2027-01-01T00:00:00Z")),
            ip_allowlist: Some(vec![net("10.0.0.0/8"), net("2001:db8::/32")]),
            rate_limit_per_minute: 60,
            strict: false,
            replaces: Some(KeyId::from_uuid(uuid(8))),
            hash: None,
        }
        .into(),
        EventType::KeyChanged => KeyChanged {
            key_id,
            name: Some(Name::parse("Dashboards").unwrap()),
            scopes: Some(Scopes::DEFAULT),
            expires_at: Some(None),
            ip_allowlist: Some(Some(vec![net("10.1.0.0/16")])),
            rate_limit_per_minute: Some(30),
            strict: Some(true),
            owner_id: Some(None),
            narrowed: true,
        }
        .into(),
        EventType::KeyRotated => KeyRotated {
            key_id,
            new_key_id: KeyId::from_uuid(uuid(8)),
            ends_at: at("2026-03-02T12:00:00.5Z"),
        }
        .into(),
        EventType::KeyRevoked => KeyRevoked {
            key_id,
            reason: RevocationReason::Requested,
        }
        .into(),
        EventType::ProjectAdded => {
            let name = ProjectName::parse("Spring").unwrap();
            ProjectAdded {
                project_id,
                name,
                readme,
                metadata,
            }
            .into()
        }
        EventType::ProjectChanged => ProjectChanged {
            project_id,
            name: Some(ProjectName::parse("Summer").unwrap()),
            readme: Some(None),
            metadata: Some(metadata),
        }
        .into(),
        EventType::ProjectRemoved => ProjectRemoved { project_id }.into(),
        EventType::CreatorAdded => CreatorAdded {
            creator_id,
            project_id,
            platform,
            handle,
            tracking_mode: TrackingMode::Selective,
            tracking_start_date: chrono::NaiveDate::from_ymd_opt(2026, 1, 1),
            display_name: Some(sealed("display_name")),
            readme,
            metadata,
        }
        .into(),
        EventType::CreatorChanged => CreatorChanged {
            creator_id,
            tracking_mode: Some(TrackingMode::Auto),
            tracking_start_date: Some(None),
            display_name: Some(Some(sealed("display_name"))),
            readme: Some(readme),
            metadata: Some(metadata),
        }
        .into(),
        EventType::CreatorRenamed => {
            let new = Handle::parse(platform, "UCq-Fj5jknLsUf-MWSy4_brA").unwrap();
            CreatorRenamed {
                creator_id,
                handle: new,
                previous: handle,
            }
            .into()
        }
        EventType::CreatorReactivated => CreatorReactivated { creator_id }.into(),
        EventType::CreatorRemoved => CreatorRemoved { creator_id }.into(),
        EventType::CreatorAutoDisabled => CreatorAutoDisabled {
            creator_id,
            reason: "account not found".to_owned(),
        }
        .into(),
        EventType::CreatorReenabled => CreatorReenabled { creator_id }.into(),
        EventType::VideoAdded => VideoAdded {
            video_id,
            project_id,
            platform,
            platform_video_id,
            url,
            media_type: MediaType::Video,
            readme,
            metadata,
        }
        .into(),
        EventType::VideoDiscovered => VideoDiscovered {
            video_id,
            project_id,
            creator_id,
            platform,
            platform_video_id,
            url,
            media_type: MediaType::Photo,
            tracking_status: TrackingStatus::PendingReview,
            posted_at: Some(at("2026-01-05T05:37:52Z")),
        }
        .into(),
        EventType::VideoChanged => VideoChanged {
            video_id,
            readme: Some(readme),
            metadata: Some(metadata),
        }
        .into(),
        EventType::VideoPromoted => VideoPromoted { video_id }.into(),
        EventType::VideoReviewed => VideoReviewed {
            video_id,
            tracking_status: TrackingStatus::Included,
            previous: TrackingStatus::PendingReview,
        }
        .into(),
        EventType::VideoTrackingDisabled => {
            let reason = TrackingDisabledReason::Unavailable;
            VideoTrackingDisabled { video_id, reason }.into()
        }
        EventType::VideoTrackingEnabled => VideoTrackingEnabled { video_id }.into(),
        EventType::VideoRemoved => VideoRemoved { video_id }.into(),
        EventType::LimitWarned => LimitWarned {
            limit_key: LimitKey::MaxApiKeysPerOrg,
            current: 8,
            max: 10,
        }
        .into(),
        EventType::ObservationRecorded => ObservationRecorded {
            readings: readings(creator_id, video_id),
        }
        .into(),
    }
}

fn readings(creator_id: CreatorId, video_id: VideoId) -> Vec<Reading> {
    let observed_at = at("2026-01-05T05:37:52.685771Z");
    let key = SubjectKey::from_bytes([9; 32]);
    vec![
        Reading::VideoStats(VideoStats {
            video_id,
            observed_at,
            view_count: Some(148_419),
            like_count: Some(9_120),
            comment_count: Some(311),
            share_count: Some(0),
            save_count: None,
        }),
        Reading::Video(VideoDetails {
            video_id,
            observed_at,
            url: Some("https://www.youtube.com/watch?v=dQw4w9WgXcQ".to_owned()),
            title: Some("Goats, \"live\"\u{1f410}".to_owned()),
            posted_at: Some(at("2026-01-04T00:00:00Z")),
            media_type: Some(MediaType::Video),
            thumbnail_url: Some("https://i.example/1.jpg".to_owned()),
        }),
        Reading::CreatorProfile(CreatorProfile {
            creator_id,
            observed_at,
            display_name: Some(key.seal("display_name", "Billy")),
            avatar_url: Some(key.seal("avatar_url", "https://i.example/a.jpg")),
            follower_count: Some(1_000),
            following_count: Some(10),
            like_count: Some(50_000),
            video_count: Some(99),
        }),
        Reading::Comment(CommentReading {
            comment_id: CommentId::of(video_id, "c1"),
            video_id,
            platform_comment_id: "c1".to_owned(),
            observed_at,
            posted_at: at("2026-01-05T00:00:00Z"),
            text: key.seal("text", "nice goat"),
            author_handle: Some(key.seal("author_handle", "someone")),
            parent_comment_id: Some("c0".to_owned()),
            like_count: Some(3),
            reply_count: Some(0),
        }),
    ]
}

#[test]
fn a_reading_takes_over_the_fields_that_its_bits_name() {
    let all = readings(CreatorId::from_uuid(uuid(4)), VideoId::from_uuid(uuid(5)));
    for full in &all[..3] {
        for field in (0..6).map(|bit| 1 << bit) {
            let (mut one, mut rest) = (bare(full), full.clone());
            one.take(field, full);
            assert_eq!(one.carries(), full.carries() & field);
            rest.take(field, &bare(full));
            assert_eq!(rest.carries(), full.carries() & !field);
            rest.take(field, full);
            assert_eq!(&rest, full);
        }
    }
}

/// The same reading without any field.
fn bare(reading: &Reading) -> Reading {
    let mut value = serde_json::to_value(reading).unwrap();
    let kept = ["kind", "video_id", "creator_id", "observed_at"];
    value
        .as_object_mut()
        .unwrap()
        .retain(|name, _| kept.contains(&name.as_str()));
    serde_json::from_value(value).unwrap()
}

fn matches_file(path: &Path, content: &str) {
    if std::env::var_os("TGA_WRITE_EVENT_FILES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let stored = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(stored, content, "{} is out of date", path.display());
}

#[test]
fn every_type_has_a_sample_that_loads_and_a_schema_that_is_current() {
    for event_type in EventType::ALL {
        let event = sample(*event_type);
        assert_eq!(event.event_type(), *event_type);
        let (name, version) = (event_type.name(), event_type.schema_version());
        matches_file(
            &folder().join(format!("{name}.v{version}.sample.json")),
            &event.data(),
        );
        let schema = event_type.schema_text(version).unwrap();
        matches_file(
            &folder().join(format!("{name}.v{version}.schema.json")),
            &schema,
        );
    }
}

#[test]
fn every_former_version_has_its_sample_its_schema_and_its_way_up() {
    for event_type in EventType::ALL {
        for version in 1..event_type.schema_version() {
            let stem = format!("{}.v{version}", event_type.name());
            assert!(folder().join(format!("{stem}.sample.json")).exists());
            let schema = fs::read_to_string(folder().join(format!("{stem}.schema.json"))).unwrap();
            assert_eq!(event_type.schema_text(version).as_deref(), Some(&*schema));
        }
        let next = event_type.schema_version() + 1;
        assert_eq!(event_type.schema_text(next), None);
        assert_eq!(event_type.schema_text(0), None);
    }
}

#[test]
fn every_sample_ever_written_loads() {
    let mut loaded = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = file.strip_suffix(".sample.json") else {
            continue;
        };
        let (name, version) = stem.rsplit_once(".v").unwrap();
        let data = fs::read_to_string(&path).unwrap();
        let event = Event::decode(name, version.parse().unwrap(), &data, None).unwrap();
        if version == event.event_type().schema_version().to_string() {
            assert_eq!(event.data(), data, "{file} does not come out as it went in");
        }
        loaded += 1;
    }
    assert!(loaded >= EventType::ALL.len());
}

#[test]
fn what_this_build_does_not_know_is_named() {
    let unknown = Event::decode("key.imagined", 1, "{}", None);
    assert!(matches!(unknown, Err(DecodeError::UnknownType { .. })));
    let newer = Event::decode("key.revoked", 2, "{}", None);
    assert!(matches!(
        newer,
        Err(DecodeError::UnknownVersion { version: 2, .. })
    ));
    let blank = Event::decode("key.revoked", 1, "{}", None);
    assert!(matches!(blank, Err(DecodeError::Invalid { .. })));
}

#[test]
fn the_public_form_reads_back_and_is_intact_until_a_byte_changes() {
    for event_type in EventType::ALL {
        let mut recorded = RecordedEvent {
            position: GlobalPosition::new(184_467),
            event_id: EventId::from_uuid(uuid(6)),
            org_id: OrgId::from_uuid(uuid(7)),
            version: StreamVersion::new(912),
            event: sample(*event_type),
            actor: Actor::Key(KeyId::from_uuid(uuid(2))),
            correlation_id: "req-1".to_owned(),
            recorded_at: at("2026-03-01T12:00:00Z"),
            auth_prev: None,
            prev_hash: ChainHash::from_bytes([3; 32]),
            hash: ChainHash::ZERO,
        };
        recorded.hash = recorded.compute_hash();
        let json = recorded.to_cloud_event();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            crate::jcs::from_value(&value),
            json,
            "the public form is canonical"
        );
        let parsed = CloudEvent::parse(json.as_bytes()).unwrap();
        assert!(parsed.is_intact());
        assert_eq!(parsed.event_type(), Some(*event_type));
        assert_eq!(parsed.data.get(), recorded.event.data());
        let changed = json.replace("req-1", "req-2");
        assert!(!CloudEvent::parse(changed.as_bytes()).unwrap().is_intact());
        // Whatever is changed in the text, be it hashed or not.
        for place in 0..json.len() {
            for by in [1, 0x20] {
                let mut bytes = json.clone().into_bytes();
                bytes[place] ^= by;
                let is_taken = CloudEvent::parse(&bytes)
                    .is_ok_and(|event| event.is_intact() && event.is_written_as(&bytes));
                assert!(!is_taken, "{}", String::from_utf8_lossy(&bytes));
            }
        }
        let more = json.replacen('{', "{\"more\":1,", 1);
        assert!(
            !CloudEvent::parse(more.as_bytes())
                .unwrap()
                .is_written_as(more.as_bytes())
        );
    }
}
