#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Judged, LineErrorCode, judge, parse_line};
use crate::event::{
    Actor, CreatorAdded, CreatorRemoved, Event, OrgCreated, ProjectAdded, Reading, TrackingMode,
    TrackingStatus, VideoRemoved,
};
use crate::ids::{CreatorId, GlobalPosition, ProjectId, VideoId};
use crate::org::{Caller, Context, OrgState, Recorded, Rejection, SubjectKeys, evolve};
use crate::plan::Plan;
use crate::platform::{Handle, Platform};
use crate::sealed::SubjectKey;
use crate::text::{Metadata, Name, ProjectName};
use crate::time::Timestamp;

const VIDEO: &str = r#"{"kind":"video","platform":"tiktok","platform_video_id":"73","creator_handle":"goat","observed_at":"2026-03-01T00:00:00Z","posted_at":"2026-02-20T10:59:59Z","title":"a\nb"}"#;
const STATS: &str = r#"{"kind":"video_stats","platform":"tiktok","platform_video_id":"73","observed_at":"2026-03-01T00:00:00Z","view_count":5}"#;
const PROFILE: &str = r#"{"kind":"creator_profile","platform":"tiktok","handle":"@GOAT","observed_at":"2026-03-01T00:00:00Z","display_name":"Billy","follower_count":7}"#;

fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

fn id(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([n; 16])
}

fn fold(state: &mut OrgState, event: impl Into<Event>) {
    let event = event.into();
    let position = GlobalPosition::new(state.events + 1);
    evolve(
        state,
        &Recorded {
            event: &event,
            at: now(),
            actor: Actor::System,
            position,
        },
    );
}

fn creator(n: u8, project: u8, tracking_mode: TrackingMode, start: Option<&str>) -> CreatorAdded {
    CreatorAdded {
        creator_id: CreatorId::from_uuid(id(n)),
        project_id: ProjectId::from_uuid(id(project)),
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "goat").unwrap(),
        tracking_mode,
        tracking_start_date: start.map(|date| date.parse().unwrap()),
        display_name: None,
        readme: None,
        metadata: Metadata::empty(),
    }
}

/// An org in Auckland with projects 1 and 2; creator 11 in the first.
fn org(mode: TrackingMode, start: Option<&str>) -> OrgState {
    let mut state = OrgState::default();
    let name = Name::parse("Goats").unwrap();
    let timezone = "Pacific/Auckland".to_owned();
    fold(
        &mut state,
        OrgCreated {
            name,
            plan: Plan::Starter,
            timezone,
        },
    );
    for n in [1, 2] {
        fold(
            &mut state,
            ProjectAdded {
                project_id: ProjectId::from_uuid(id(n)),
                name: ProjectName::parse("P").unwrap(),
                readme: None,
                metadata: Metadata::empty(),
            },
        );
    }
    fold(&mut state, creator(11, 1, mode, start));
    state
}

fn judged(state: &OrgState, project: Option<u8>, lines: &[&str]) -> Judged {
    let mut keys = SubjectKeys::default();
    keys.extend([11, 12].map(|n| (id(n), SubjectKey::from_bytes([n; 32]))));
    let context = Context {
        now: now(),
        caller: Caller::Operator,
        subject_keys: &keys,
    };
    let lines: Vec<_> = lines
        .iter()
        .map(|line| parse_line(line.as_bytes(), now()))
        .collect();
    let mut counter = 100;
    let mut random = || {
        counter += 1;
        [counter; 10]
    };
    let project = project.map(|n| ProjectId::from_uuid(id(n)));
    judge(state, project, &lines, &context, &mut random).unwrap()
}

fn code(judged: &Judged, line: usize) -> LineErrorCode {
    judged.lines[line].readings.as_ref().unwrap_err().code
}

#[test]
fn a_video_line_discovers_and_a_later_line_reads() {
    let judged = judged(
        &org(TrackingMode::Auto, None),
        None,
        &[STATS, VIDEO, STATS, VIDEO],
    );
    assert_eq!(code(&judged, 0), LineErrorCode::UnknownVideo);
    assert!(judged.lines[1].discovered && !judged.lines[3].discovered);
    let [Event::VideoDiscovered(found)] = judged.discoveries.as_slice() else {
        panic!()
    };
    assert_eq!(found.tracking_status, TrackingStatus::AutoTracked);
    assert_eq!(found.url, "https://www.tiktok.com/@goat/video/73");
    let [Reading::VideoStats(stats)] = judged.lines[2].readings.as_deref().unwrap() else {
        panic!()
    };
    assert_eq!(
        (stats.video_id, stats.view_count),
        (found.video_id, Some(5))
    );
    let [Reading::Video(details)] = judged.lines[1].readings.as_deref().unwrap() else {
        panic!()
    };
    assert_eq!(details.title.as_deref(), Some("a b"));
}

#[test]
fn a_selective_creators_videos_wait_in_the_inbox() {
    let judged = judged(&org(TrackingMode::Selective, None), None, &[VIDEO]);
    let [Event::VideoDiscovered(found)] = judged.discoveries.as_slice() else {
        panic!()
    };
    assert_eq!(found.tracking_status, TrackingStatus::PendingReview);
}

#[test]
fn posts_before_the_start_in_the_orgs_zone_are_not_taken_up() {
    // 10:59:59Z is 23:59:59 of the 20th in Auckland.
    let before = judged(&org(TrackingMode::Auto, Some("2026-02-21")), None, &[VIDEO]);
    assert_eq!(code(&before, 0), LineErrorCode::BeforeTrackingStart);
    let on = judged(&org(TrackingMode::Auto, Some("2026-02-20")), None, &[VIDEO]);
    assert_eq!(on.discoveries.len(), 1);
}

#[test]
fn every_project_that_has_the_creator_takes_part_unless_one_is_named() {
    let mut state = org(TrackingMode::Auto, None);
    fold(&mut state, creator(12, 2, TrackingMode::Auto, None));
    let all = judged(&state, None, &[VIDEO, STATS, PROFILE]);
    assert_eq!(all.discoveries.len(), 2);
    assert!(
        all.lines
            .iter()
            .all(|line| line.readings.as_ref().unwrap().len() == 2)
    );
    let one = judged(&state, Some(2), &[VIDEO, STATS, PROFILE]);
    assert_eq!(one.discoveries.len(), 1);
    let [Reading::CreatorProfile(profile)] = one.lines[2].readings.as_deref().unwrap() else {
        panic!()
    };
    assert_eq!(profile.creator_id.as_uuid(), id(12));
    let key = SubjectKey::from_bytes([12; 32]);
    let name = profile.display_name.as_ref().unwrap();
    assert_eq!(key.open("display_name", name).as_deref(), Ok("Billy"));
}

#[test]
fn removed_things_are_not_taken_up_again() {
    let mut state = org(TrackingMode::Auto, None);
    let found = judged(&state, None, &[VIDEO]).discoveries.remove(0);
    let Event::VideoDiscovered(discovered) = &found else {
        panic!()
    };
    let video_id: VideoId = discovered.video_id;
    fold(&mut state, found.clone());
    fold(&mut state, VideoRemoved { video_id });
    let judged_again = judged(&state, None, &[VIDEO, STATS]);
    assert_eq!(code(&judged_again, 0), LineErrorCode::VideoRemoved);
    assert_eq!(code(&judged_again, 1), LineErrorCode::VideoRemoved);
    fold(
        &mut state,
        CreatorRemoved {
            creator_id: CreatorId::from_uuid(id(11)),
        },
    );
    assert_eq!(
        code(&judged(&state, None, &[PROFILE]), 0),
        LineErrorCode::UnknownCreator
    );
}

#[test]
fn a_video_of_a_removed_creator_comes_back_with_the_creator() {
    let mut state = org(TrackingMode::Auto, None);
    let found = judged(&state, None, &[VIDEO]).discoveries.remove(0);
    fold(&mut state, found);
    let creator_id = CreatorId::from_uuid(id(11));
    fold(&mut state, CreatorRemoved { creator_id });
    let judged = judged(&state, None, &[VIDEO, STATS]);
    for line in &judged.lines {
        let error = line.readings.as_ref().unwrap_err();
        assert_eq!(error.code, LineErrorCode::VideoRemoved);
        assert!(error.message.contains("adding the creator again"));
    }
}

#[test]
fn missing_subject_keys_are_asked_for_together() {
    let state = org(TrackingMode::Auto, None);
    let keys = SubjectKeys::default();
    let context = Context {
        now: now(),
        caller: Caller::Operator,
        subject_keys: &keys,
    };
    let lines = vec![
        parse_line(PROFILE.as_bytes(), now()),
        parse_line(PROFILE.as_bytes(), now()),
    ];
    let needed = judge(&state, None, &lines, &context, &mut || [0; 10]).unwrap_err();
    assert_eq!(needed, Rejection::SubjectKeysNeeded(vec![id(11)]));
}

#[test]
fn each_bad_line_has_its_code_and_says_what_is_allowed() {
    use LineErrorCode::{InvalidJson, InvalidLine, LineTooLong, ObservedInFuture, UnknownKind};
    let long = format!("{{\"kind\":\"{}\"}}", "x".repeat(16 * 1024));
    let float = STATS.replace(":5", ":148419.0");
    let negative = STATS.replace(":5", ":-1");
    let big = STATS.replace(":5", ":9007199254740992");
    let twice = STATS.replace("\"view_count\"", "\"view_count\":1,\"view_count\"");
    let unknown_field = STATS.replace('}', ",\"views\":1}");
    let empty = STATS.replace(":5", ":null");
    let future = STATS.replace("2026-03-01T00:00:00Z", "2026-03-01T12:05:01Z");
    let past = STATS.replace("2026-03-01T00:00:00Z", "2004-12-31T23:59:59Z");
    let nested = STATS.replace(":5", ":{\"a\":[1]}");
    let cases: [(&str, LineErrorCode, &str); 16] = [
        ("{", InvalidJson, "JSON"),
        ("[]", InvalidJson, "JSON"),
        (&twice, InvalidJson, "twice"),
        (r#"{"kind":"song"}"#, UnknownKind, "video_stats"),
        (r#"{"platform":"tiktok"}"#, InvalidLine, "kind"),
        (&long, LineTooLong, "16384"),
        (&float, InvalidLine, "view_count"),
        (&negative, InvalidLine, "view_count"),
        (&big, InvalidLine, "view_count"),
        (&nested, InvalidLine, "view_count"),
        (&unknown_field, InvalidLine, "views"),
        (&empty, InvalidLine, "another count"),
        (&future, ObservedInFuture, "5 minutes"),
        (&past, InvalidLine, "observed_at"),
        (
            &STATS.replace("tiktok", "vimeo"),
            InvalidLine,
            "tiktok, youtube, instagram",
        ),
        (
            &STATS.replace("\"73\"", "\"7x\""),
            InvalidLine,
            "1 to 20 digits",
        ),
    ];
    for (line, expected, hint) in cases {
        let error = parse_line(line.as_bytes(), now()).unwrap_err();
        assert_eq!(error.code, expected, "{line}: {error}");
        assert!(error.message.contains(hint), "{error}");
    }
}
