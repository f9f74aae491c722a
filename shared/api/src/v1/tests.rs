#![expect(clippy::unwrap_used, reason = "tests")]

use chrono::NaiveDate;
use domain::event::{Actor, MediaType, RevocationReason, TrackingMode, TrackingStatus};
use domain::ids::{CreatorId, GlobalPosition, KeyId, OrgId, ProjectId, UserId, VideoId};
use domain::observation::{LineError, LineErrorCode};
use domain::org::{self, CreatorStatus, Denial, ItemStatus, Key};
use domain::plan::{LimitKey, Limits, Plan};
use domain::platform::{Handle, Platform, PlatformVideoId};
use domain::scope::Scopes;
use domain::text::{Metadata, Name, ProjectName, Readme};
use domain::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use uuid::Uuid;

use super::*;
use crate::error::ApiError;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn id(last: u128) -> Uuid {
    Uuid::from_u128(0x0192_f0c1_2b7e_7c00_8000_0000_0000_0000 + last)
}

fn key() -> Key {
    Key {
        name: Name::parse("Reporting").unwrap(),
        prefix: "tga_01234567…7e5a".to_owned(),
        scopes: Scopes::DEFAULT,
        strict: false,
        created_at: at("2026-01-05T05:37:52Z"),
        created_by: Actor::User(UserId::from_uuid(id(1))),
        owner_id: Some(UserId::from_uuid(id(1))),
        expires_at: None,
        ip_allowlist: Some(vec!["203.0.113.0/24".parse().unwrap()]),
        rate_limit_per_minute: 60,
        replaced_by: None,
        replaces: None,
        revoked: None,
        narrowed: None,
    }
}

fn project() -> org::Project {
    org::Project {
        name: ProjectName::parse("Spring").unwrap(),
        readme: Some(Readme::parse("Be kind.").unwrap()),
        metadata: Metadata::parse(&json!({"b": 1, "a": 2})).unwrap(),
        removed: false,
        created_at: at("2026-01-05T05:37:52Z"),
        updated_at: at("2026-01-06T05:37:52Z"),
    }
}

fn creator() -> org::Creator {
    org::Creator {
        project_id: ProjectId::from_uuid(id(2)),
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "charlidamelio").unwrap(),
        display_name: None,
        readme: None,
        metadata: Metadata::empty(),
        tracking_mode: TrackingMode::Auto,
        tracking_start_date: NaiveDate::from_ymd_opt(2026, 1, 1),
        status: CreatorStatus::Active,
        disabled_reason: None,
        disabled_at: None,
        created_at: at("2026-01-05T05:37:52Z"),
        updated_at: at("2026-01-05T05:37:52Z"),
    }
}

fn video() -> org::Video {
    org::Video {
        project_id: ProjectId::from_uuid(id(2)),
        creator_id: None,
        platform: Platform::Youtube,
        platform_video_id: PlatformVideoId::parse(Platform::Youtube, "dQw4w9WgXcQ").unwrap(),
        url: "https://www.youtube.com/watch?v=dQw4w9WgXcQ".to_owned(),
        media_type: MediaType::Video,
        posted_at: None,
        readme: None,
        metadata: Metadata::empty(),
        tracking_status: TrackingStatus::DirectAdd,
        tracking_disabled: None,
        removed: false,
        review: None,
        created_at: at("2026-01-05T05:37:52Z"),
        updated_at: at("2026-01-05T05:37:52Z"),
    }
}

/// The names of an object's members as they are written.
pub(super) fn members(value: &impl Serialize) -> Vec<String> {
    let text = serde_json::to_string(value).unwrap();
    let mut names = Vec::new();
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    let mut start = 0;
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => {
                if is_text && depth == 1 && text[index + 1..].starts_with(':') {
                    names.push(text[start..index].to_owned());
                }
                is_text = !is_text;
                start = index + 1;
            }
            '{' | '[' if !is_text => depth += 1,
            '}' | ']' if !is_text => depth -= 1,
            _ => {}
        }
    }
    names
}

/// What the document says of a type: its properties, all of them required.
pub(super) fn described<T: ToSchema>() -> Vec<String> {
    let RefOr::T(Schema::Object(object)) = T::schema() else {
        panic!("{} is no object", T::name());
    };
    let names: Vec<_> = object.properties.keys().cloned().collect();
    assert_eq!(names, object.required, "{}", T::name());
    names
}

#[test]
fn a_key_has_the_contracts_members_in_their_order() {
    let written = ApiKey::new(
        KeyId::from_uuid(id(9)),
        &key(),
        at("2026-01-06T00:00:00Z"),
        KeyContext::default(),
    );
    assert_eq!(
        members(&written).join(" "),
        "id name prefix scopes status strict created_at created_by owner_id expires_at \
         ip_allowlist rate_limit_per_minute last_used_at requests_today requests_by_day \
         unused_scopes rotation revoked_at revoked_by revocation"
    );
    assert_eq!(members(&written), described::<ApiKey>());
    let json = serde_json::to_value(&written).unwrap();
    assert_eq!(json["scopes"], json!(["read", "write"]));
    assert_eq!(json["status"], "active");
    assert_eq!(json["created_by"], json!({"type": "user", "id": id(1)}));
    assert_eq!(json["ip_allowlist"], json!(["203.0.113.0/24"]));
}

#[test]
fn both_keys_of_a_rotation_show_it() {
    let (old_id, new_id) = (KeyId::from_uuid(id(9)), KeyId::from_uuid(id(10)));
    let now = at("2026-01-06T00:00:00Z");
    let ends_at = at("2026-01-07T00:00:00Z");
    let old = Key {
        expires_at: Some(at("2027-01-01T00:00:00Z")),
        replaced_by: Some((new_id, ends_at)),
        ..key()
    };
    let new = Key {
        replaces: Some(old_id),
        ..key()
    };
    let shown_old = ApiKey::new(old_id, &old, now, KeyContext::default());
    let context = KeyContext {
        replaced: Some(&old),
        ..KeyContext::default()
    };
    let shown_new = ApiKey::new(new_id, &new, now, context);
    assert_eq!(shown_old.rotation, shown_new.rotation);
    assert_eq!(shown_old.expires_at, Some(ends_at), "the earlier end holds");
    assert_eq!(
        serde_json::to_value(&shown_old).unwrap()["status"],
        "rotating"
    );
    assert_eq!(shown_old.rotation.unwrap().new_id, new_id);
    assert!(
        ApiKey::new(new_id, &new, now, KeyContext::default())
            .rotation
            .is_none()
    );
}

#[test]
fn a_revoked_key_says_by_whom_and_whether_it_holds_everywhere() {
    let revoked = Key {
        revoked: Some(Denial {
            at: at("2026-01-06T00:00:00Z"),
            position: GlobalPosition::new(184_467),
            by: Actor::System,
            reason: Some(RevocationReason::Requested),
        }),
        ..key()
    };
    let shown = ApiKey::new(
        KeyId::from_uuid(id(9)),
        &revoked,
        at("2026-01-06T00:00:01Z"),
        KeyContext::default(),
    );
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["status"], "revoked");
    assert_eq!(json["revoked_by"], json!({"type": "system", "id": null}));
    assert_eq!(
        json["revocation"],
        json!({"position": 184_467, "effective_at": null})
    );
}

#[test]
fn a_secret_is_told_once() {
    let object = ApiKey::new(
        KeyId::from_uuid(id(9)),
        &key(),
        at("2026-01-06T00:00:00Z"),
        KeyContext::default(),
    );
    let secret = domain::credential::CredentialSecret::generate(
        domain::credential::CredentialKind::ApiKey,
        &[7; 28],
    );
    let first = serde_json::to_value(ApiKeyCreated::with_secret(object.clone(), &secret)).unwrap();
    assert!(first["key"].as_str().unwrap().starts_with("tga_0707"));
    assert!(first.get("secret_already_delivered").is_none());
    let replay = serde_json::to_value(ApiKeyCreated::without_secret(object)).unwrap();
    assert_eq!(replay["key"], Value::Null);
    assert_eq!(replay["secret_already_delivered"], true);
}

#[test]
fn projects_creators_and_videos_have_the_contracts_members() {
    let written = Project::new(
        OrgId::from_uuid(id(1)),
        ProjectId::from_uuid(id(2)),
        &project(),
    );
    assert_eq!(
        members(&written).join(" "),
        "id name description readme org_id metadata created_at updated_at"
    );
    assert_eq!(members(&written), described::<Project>());
    let text = serde_json::to_string(&written).unwrap();
    assert!(text.contains(r#""description":"Be kind.","readme":"Be kind.""#));
    assert!(text.contains(r#""metadata":{"a":2,"b":1}"#));

    let written = Creator::new(
        CreatorId::from_uuid(id(3)),
        &creator(),
        CreatorProfile::default(),
    );
    assert_eq!(
        members(&written).join(" "),
        "id project_id platform handle tiktok_handle display_name description readme metadata \
         tracking_mode tracking_start_date status disabled_reason disabled_at profile_url \
         avatar_url follower_count following_count like_count video_count profile_at created_at \
         updated_at"
    );
    assert_eq!(members(&written), described::<Creator>());
    assert_eq!(written.tiktok_handle.as_deref(), Some("charlidamelio"));
    assert_eq!(written.profile_url, "https://www.tiktok.com/@charlidamelio");

    let written = Video::new(
        VideoId::from_uuid(id(4)),
        &video(),
        VideoReadings::default(),
    );
    assert_eq!(
        members(&written).join(" "),
        "id project_id creator_id platform platform_video_id tiktok_video_id url title \
         description readme metadata tracking_status tracking_enabled tracking_disabled_reason \
         media_type thumbnail_url posted_at view_count like_count comment_count share_count \
         save_count stats_at created_at updated_at"
    );
    assert_eq!(members(&written), described::<Video>());
    assert_eq!(written.tiktok_video_id, None);
    assert!(written.tracking_enabled);
}

#[test]
fn a_receipt_has_the_contracts_members() {
    let receipt = Receipt {
        id: id(9),
        revoked_at: at("2026-01-06T00:00:00Z"),
        position: GlobalPosition::new(184_467),
        effective_at: Some(at("2026-01-06T00:00:01Z")),
        barrier: Some(Barrier {
            acked: 1,
            lease_expired: 0,
            left: 0,
            waited_ms: 4,
            bound_ms: 2_475,
            replicas: vec![ReplicaWait {
                incarnation: domain::ids::IncarnationId::from_uuid(id(8)),
                state: ReplicaState::Acked,
                after_ms: 3,
            }],
        }),
        log_epoch: domain::ids::LogEpoch::from_uuid(id(7)),
        ledger: Ledger::Written,
        event_hash: "00".repeat(32),
    };
    assert_eq!(
        members(&receipt).join(" "),
        "id revoked_at position effective_at barrier log_epoch ledger event_hash"
    );
    assert_eq!(members(&receipt), described::<Receipt>());
    assert_eq!(
        members(receipt.barrier.as_ref().unwrap()).join(" "),
        "acked lease_expired left waited_ms bound_ms replicas"
    );
    let text = serde_json::to_string(&receipt).unwrap();
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
}

#[test]
fn a_bulk_answer_counts_and_says_why() {
    let items = [
        (Some(id(1)), Ok(ItemStatus::Created)),
        (Some(id(2)), Ok(ItemStatus::Unchanged)),
        (None, Err(ApiError::not_found())),
    ];
    let answer: BulkAnswer = items.into_iter().collect();
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        format!(
            r#"{{"results":[{{"index":0,"status":"created","id":"{}","code":null,"message":null}},{{"index":1,"status":"unchanged","id":"{}","code":null,"message":null}},{{"index":2,"status":"error","id":null,"code":"not_found","message":"Not found"}}],"summary":{{"ok":2,"error":1}}}}"#,
            id(1),
            id(2)
        )
    );
}

#[test]
fn limits_come_in_the_tables_order_with_what_holds() {
    let mut limits = Limits::of(Plan::Starter);
    limits.overrides.insert(LimitKey::MaxProjectsPerOrg, 9);
    let midnight = at("2026-01-07T00:00:00Z");
    let answer = LimitsAnswer::new(&limits, midnight, |key| {
        (key == LimitKey::MaxProjectsPerOrg).then_some(4)
    });
    let keys: Vec<_> = answer.limits.iter().map(|limit| limit.key).collect();
    assert_eq!(keys, LimitKey::ALL);
    assert_eq!(
        serde_json::to_string(&answer.limits[2]).unwrap(),
        r#"{"key":"max_projects_per_org","current":4,"max":9,"plan_max":3,"override":9,"unit":"count","resets_at":null}"#
    );
    let resets: Vec<_> = answer
        .limits
        .iter()
        .filter(|limit| limit.resets_at.is_some())
        .map(|limit| limit.key.name())
        .collect();
    assert_eq!(
        resets,
        [
            "max_api_requests_per_day",
            "max_manual_scrape_triggers_per_day"
        ]
    );
}

#[test]
fn rejected_lines_are_counted_and_named() {
    let mut answer = IngestAnswer {
        accepted: 4_998,
        duplicate: 1,
        ..IngestAnswer::default()
    };
    answer.reject(
        17,
        &LineError {
            code: LineErrorCode::UnknownVideo,
            message: "add it first".to_owned(),
        },
    );
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"{"accepted":4998,"duplicate":1,"rejected":1,"errors":[{"line":17,"code":"unknown_video","message":"add it first"}]}"#
    );
}

#[test]
fn figures_are_written_alike_in_json_and_csv() {
    for (figure, text) in [
        (Figure::Count(-5), "-5"),
        (Figure::Count(9_007_199_254_740_991), "9007199254740991"),
        (Figure::Decimal(12_345), "1.2345"),
        (Figure::Decimal(-5_000), "-0.5"),
        (Figure::Decimal(30_000), "3"),
        (Figure::Decimal(0), "0"),
    ] {
        assert_eq!(figure.to_string(), text);
        assert_eq!(serde_json::to_string(&figure).unwrap(), text);
        let read: Figure = serde_json::from_str(text).unwrap();
        assert_eq!(read.to_string(), text);
    }
}

#[test]
fn analytics_are_written_as_json_and_as_one_flat_file() {
    let day = |day| NaiveDate::from_ymd_opt(2026, 1, day).unwrap();
    let point = |t, value, is_partial, is_baseline| Point {
        t,
        value,
        is_partial,
        is_baseline,
        last_day: t,
    };
    let analytics = Analytics {
        entity: "creator".into(),
        metric: "views".into(),
        mode: Some("new".into()),
        granularity: "day".into(),
        bucket_days: None,
        base_metric: None,
        unit: "count".into(),
        from: day(1),
        to: day(2),
        tz: "Europe/Berlin".to_owned(),
        series: vec![Series {
            entity_ref: EntityRef {
                kind: "creator".into(),
                id: id(3).to_string(),
                label: "=charli, \"d\"".to_owned(),
            },
            points: vec![
                point(day(1), Some(Figure::Count(-7)), false, true),
                point(day(2), None, true, false),
            ],
            total: Some(Figure::Count(-7)),
            start_value: Some(91_000),
        }],
        compare_series: Vec::new(),
        breakdown_series: Vec::new(),
        annotations: Vec::new(),
        tier_retention_days: Some(365),
    };
    assert_eq!(
        members(&analytics).join(" "),
        "entity metric mode granularity bucket_days base_metric unit from to tz series \
         compare_series breakdown_series annotations tier_retention_days"
    );
    assert_eq!(members(&analytics), described::<Analytics>());
    assert_eq!(
        serde_json::to_string(&analytics.series[0]).unwrap(),
        format!(
            r#"{{"entity_ref":{{"type":"creator","id":"{}","label":"=charli, \"d\""}},"points":[{{"t":"2026-01-01","value":-7,"is_partial":false,"is_baseline":true}},{{"t":"2026-01-02","value":null,"is_partial":true,"is_baseline":false}}],"total":-7,"start_value":91000}}"#,
            id(3)
        )
    );
    let read: Series = serde_json::from_value(json!(analytics.series[0])).unwrap();
    assert_eq!(read.total, analytics.series[0].total);
    assert_eq!(read.points[1].value, None);
    let file = String::from_utf8(analytics.to_csv().take().to_vec()).unwrap();
    assert_eq!(
        file,
        format!(
            "series_kind,entity_type,entity_id,entity_label,metric,mode,granularity,bucket_start,\
             bucket_end,value,is_partial,is_baseline\r\n\
             main,creator,{0},\"'=charli, \"\"d\"\"\",views,new,day,2026-01-01,2026-01-01,-7,false,true\r\n\
             main,creator,{0},\"'=charli, \"\"d\"\"\",views,new,day,2026-01-02,2026-01-02,,true,false\r\n",
            id(3)
        )
    );
    assert_eq!(
        analytics.csv_name(),
        "trackagoat_creator_views_2026-01-01_2026-01-02.csv"
    );
}

#[test]
fn the_data_model_is_made_of_the_objects() {
    let model = SchemaAnswer::new(vec![MetricSchema::new("views", "count", vec!["video"])]);
    let json = serde_json::to_value(&model).unwrap();
    assert_eq!(json["version"], "1.5.0");
    let field = |entity: &str, name: &str| json["entities"][entity]["fields"][name].clone();
    let facts = |entity: &str, name: &str| {
        let field = field(entity, name);
        (
            field["type"].as_str().unwrap().to_owned(),
            field["nullable"].as_bool().unwrap(),
            field["writable"].as_bool().unwrap(),
        )
    };
    for (entity, name, kind, nullable, writable) in [
        ("creator", "id", "uuid", false, false),
        (
            "creator",
            "platform",
            "tiktok|youtube|instagram",
            false,
            true,
        ),
        ("creator", "tracking_start_date", "date", true, true),
        ("creator", "follower_count", "integer", true, false),
        ("video", "posted_at", "instant", true, false),
        ("video", "tracking_enabled", "boolean", false, true),
        ("project", "metadata", "object", false, true),
        ("api_key", "created_by", "object", false, false),
        ("api_key", "rotation", "object", true, false),
        (
            "api_key",
            "requests_by_day",
            "list of integer",
            false,
            false,
        ),
        ("org", "timezone", "string", false, true),
        ("member", "role", "admin|member", false, true),
        ("member", "email", "string", true, false),
    ] {
        assert_eq!(
            facts(entity, name),
            (kind.to_owned(), nullable, writable),
            "{entity}.{name}"
        );
    }
    for (name, entity) in &model.entities.0 {
        for (field, facts) in &entity.fields.0 {
            assert!(!facts.description.is_empty(), "{name}.{field}");
        }
    }
}

#[test]
fn a_request_sends_only_what_is_given() {
    let body = request::ChangeCreator {
        handle: Some("charli".to_owned()),
        display_name: Some(None),
        ..request::ChangeCreator::default()
    };
    assert_eq!(
        serde_json::to_string(&body).unwrap(),
        r#"{"handle":"charli","display_name":null}"#
    );
}

#[test]
fn a_removed_creator_is_shown_as_it_last_was() {
    let removed = org::Creator {
        status: CreatorStatus::Removed,
        ..creator()
    };
    let id = CreatorId::from_uuid(id(3));
    let shown = Creator::new(id, &removed, CreatorProfile::default());
    assert_eq!(shown.status, CreatorStatus::Active);
    let removed = org::Creator {
        disabled_at: Some(at("2026-01-06T00:00:00Z")),
        ..removed
    };
    let shown = Creator::new(id, &removed, CreatorProfile::default());
    assert_eq!(shown.status, CreatorStatus::AutoDisabled);
}
