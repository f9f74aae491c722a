use chrono::TimeDelta;

use super::harness::{
    Given, add_creator, add_video, creator, new_creator, new_video, project, project_added, video,
};
use crate::event::{
    CreatorChanged, CreatorReactivated, Event, HandleBanned, MediaType, TrackingDisabledReason,
    TrackingMode, TrackingStatus, VideoDiscovered, VideoPromoted,
};
use crate::org::{
    Command, CreatorPatch, Existing, ItemStatus, NewCreator, Outcome, Rejection, ReviewDecision,
    VideoPatch,
};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform};
use crate::text::Readme;

fn found(n: u8, tracking_status: TrackingStatus) -> VideoDiscovered {
    let new = new_video(n);
    VideoDiscovered {
        video_id: video(n),
        project_id: project(1),
        creator_id: creator(1),
        platform: new.platform,
        platform_video_id: new.platform_video_id,
        url: new.url,
        media_type: MediaType::Video,
        tracking_status,
        posted_at: None,
    }
}

fn rename(n: u8, handle: &str) -> Command {
    let patch = CreatorPatch {
        handle: Some(handle.to_owned()),
        ..CreatorPatch::default()
    };
    Command::ChangeCreator {
        creator_id: creator(n),
        patch,
    }
}

fn remove(n: u8) -> Command {
    Command::RemoveCreator {
        creator_id: creator(n),
    }
}

fn statuses(outcome: &Outcome) -> Vec<Result<ItemStatus, Rejection>> {
    let Outcome::Items(items) = outcome else {
        panic!("{outcome:?}")
    };
    items.iter().map(|item| item.result.clone()).collect()
}

#[test]
fn a_creator_starts_today_in_the_orgs_zone_and_holds_its_handle() {
    let mut given = Given::with_project(Plan::Starter);
    let events = given.then(&add_creator(1, "Goat"));
    let Event::CreatorAdded(added) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(added.tracking_start_date.unwrap().to_string(), "2026-03-02");
    assert_eq!(added.tracking_mode, TrackingMode::Auto);
    let duplicate = Rejection::Duplicate {
        what: Existing::Creator,
        id: creator(1).as_uuid(),
    };
    assert_eq!(given.refused(&add_creator(2, "@gOAT ")), duplicate);
}

#[test]
fn a_removed_creator_comes_back_with_what_is_sent_replacing_the_old() {
    let mut given = Given::with_project(Plan::Starter);
    given.then(&add_creator(1, "goat"));
    given.then(&Command::RemoveCreator {
        creator_id: creator(1),
    });
    let remove = Command::RemoveCreator {
        creator_id: creator(1),
    };
    assert_eq!(given.refused(&remove), Rejection::NotFound);
    let again = NewCreator {
        tracking_mode: Some(TrackingMode::Selective),
        display_name: Some(Some("Billy".to_owned())),
        ..new_creator(2, "goat")
    };
    let command = Command::AddCreator {
        project_id: project(1),
        creator: again,
    };
    let decision = given.when(&command).unwrap();
    assert_eq!(decision.outcome, Outcome::Reactivated(creator(1).as_uuid()));
    assert_eq!(
        decision.events[0],
        CreatorReactivated {
            creator_id: creator(1)
        }
        .into()
    );
    let Event::CreatorChanged(CreatorChanged {
        display_name,
        tracking_mode,
        ..
    }) = &decision.events[1]
    else {
        panic!("{decision:?}")
    };
    assert_eq!(*tracking_mode, Some(TrackingMode::Selective));
    assert!(display_name.as_ref().unwrap().is_some());
}

#[test]
fn renaming_has_four_refusals_and_frees_the_old_handle() {
    let mut given = Given::with_project(Plan::Starter).and(HandleBanned {
        platform: Platform::Tiktok,
        handle: Handle::parse(Platform::Tiktok, "wolf").unwrap(),
        reason: None,
    });
    given.then(&add_creator(1, "goat"));
    given.then(&add_creator(2, "sheep"));
    let taken = Rejection::HandleTaken {
        id: creator(2).as_uuid(),
    };
    assert_eq!(given.refused(&rename(1, "SHEEP")), taken);
    assert_eq!(given.refused(&rename(1, "@Wolf")), Rejection::CreatorBanned);
    assert_eq!(
        given.refused(&add_creator(3, "wolf")),
        Rejection::CreatorBanned
    );
    assert!(matches!(
        given.refused(&rename(1, "no spaces")),
        Rejection::InvalidHandle(_)
    ));
    assert_eq!(given.refused(&rename(1, "goat")), Rejection::NoChange);
    given.then(&rename(1, "ram"));
    given.then(&add_creator(3, "goat"));
}

#[test]
fn a_handle_that_was_lent_goes_back_to_the_removed_creator() {
    let mut given = Given::with_project(Plan::Starter);
    given.then(&add_creator(1, "goat"));
    given.then(&remove(1));
    given.then(&add_creator(2, "sheep"));
    given.then(&rename(2, "goat"));
    let taken = Rejection::Duplicate {
        what: Existing::Creator,
        id: creator(2).as_uuid(),
    };
    assert_eq!(given.refused(&add_creator(3, "goat")), taken);
    given.then(&rename(2, "other"));
    let decision = given.when(&add_creator(3, "goat")).unwrap();
    assert_eq!(decision.outcome, Outcome::Reactivated(creator(1).as_uuid()));
}

#[test]
fn of_two_removed_creators_with_a_handle_the_last_removed_comes_back() {
    for (first, last) in [(1, 2), (2, 1)] {
        let mut given = Given::with_project(Plan::Starter);
        given.then(&add_creator(first, "goat"));
        given.then(&remove(first));
        let mut given = given.later(TimeDelta::seconds(1));
        given.then(&add_creator(last, "sheep"));
        given.then(&rename(last, "goat"));
        given.then(&remove(last));
        let given = given.later(TimeDelta::seconds(1));
        for mut given in [given.reloaded(), given] {
            let decision = given.when(&add_creator(3, "goat")).unwrap();
            let back = Outcome::Reactivated(creator(last).as_uuid());
            assert_eq!(decision.outcome, back);
        }
    }
}

#[test]
fn items_of_a_bulk_request_are_judged_in_order() {
    let mut given = Given::with_project(Plan::Free);
    let handles = ["a", "b", "A", "c", "d", "e", "f"];
    let creators = handles
        .iter()
        .zip(1..)
        .map(|(handle, n)| new_creator(n, handle))
        .collect();
    let add = Command::AddCreators {
        project_id: project(1),
        creators,
    };
    let decision = given.when(&add).unwrap();
    let created = || Ok(ItemStatus::Created);
    assert_eq!(
        statuses(&decision.outcome),
        vec![
            created(),
            created(),
            Err(Rejection::Duplicate {
                what: Existing::Creator,
                id: creator(1).as_uuid()
            }),
            created(),
            created(),
            created(),
            Err(Rejection::LimitReached {
                limit_key: LimitKey::MaxCreatorsPerOrg,
                current: 5,
                max: 5
            }),
        ]
    );
    let ids = vec![creator(1), creator(1), creator(99)];
    let remove = Command::RemoveCreators {
        project_id: project(1),
        creator_ids: ids,
    };
    let decision = given.when(&remove).unwrap();
    let not_found = || Err(Rejection::NotFound);
    let expected = vec![Ok(ItemStatus::Changed), not_found(), not_found()];
    assert_eq!(statuses(&decision.outcome), expected);
}

#[test]
fn auto_disabled_creators_leave_the_limit_and_are_reenabled_within_it() {
    let mut given = Given::with_project(Plan::Free);
    for n in 1..=5 {
        given.then(&add_creator(n, &format!("goat{n}")));
    }
    let disable = Command::AutoDisableCreator {
        creator_id: creator(1),
        reason: "gone".to_owned(),
    };
    given.then(&disable);
    given.then(&add_creator(6, "goat6"));
    let ids = vec![creator(1), creator(2)];
    let reenable = Command::ReenableCreators {
        project_id: project(1),
        creator_ids: ids,
    };
    let decision = given.when(&reenable).unwrap();
    let full = Rejection::LimitReached {
        limit_key: LimitKey::MaxCreatorsPerOrg,
        current: 5,
        max: 5,
    };
    assert_eq!(
        statuses(&decision.outcome),
        vec![Err(full), Ok(ItemStatus::Unchanged)]
    );
}

#[test]
fn decisions_on_videos_follow_the_table() {
    use ReviewDecision::{Exclude, Include};
    use TrackingStatus::{AutoTracked, Excluded, Included, PendingReview};
    let cases = [
        (PendingReview, Include, Some(Included)),
        (PendingReview, Exclude, Some(Excluded)),
        (AutoTracked, Include, None),
        (AutoTracked, Exclude, Some(Excluded)),
        (Included, Include, None),
        (Included, Exclude, Some(Excluded)),
        (Excluded, Include, Some(Included)),
        (Excluded, Exclude, None),
    ];
    for (status, decision, expected) in cases {
        let mut given = Given::with_project(Plan::Starter);
        given.then(&add_creator(1, "goat"));
        let mut given = given.and(found(1, status));
        given.then(&Command::ReviewVideo {
            video_id: video(1),
            decision,
        });
        assert_eq!(
            given.state.videos[&video(1)].tracking_status,
            expected.unwrap_or(status)
        );
    }
    let mut given = Given::with_project(Plan::Starter);
    given.then(&add_video(1));
    let exclude = Command::ReviewVideo {
        video_id: video(1),
        decision: Exclude,
    };
    assert!(matches!(
        given.refused(&exclude),
        Rejection::StateConflict(_)
    ));
    let include = Command::ReviewVideo {
        video_id: video(1),
        decision: Include,
    };
    assert!(given.then(&include).is_empty());
}

#[test]
fn a_direct_add_promotes_what_does_not_count_and_refuses_what_does() {
    for status in TrackingStatus::ALL {
        let mut given = Given::with_project(Plan::Starter);
        given.then(&add_creator(1, "goat"));
        let mut given = given.and(found(1, status));
        if status.is_counted() {
            let duplicate = Rejection::Duplicate {
                what: Existing::Video,
                id: video(1).as_uuid(),
            };
            assert_eq!(given.refused(&add_video(1)), duplicate);
            given.then(&Command::RemoveVideo { video_id: video(1) });
        }
        let decision = given.when(&add_video(1)).unwrap();
        assert_eq!(decision.outcome, Outcome::Reactivated(video(1).as_uuid()));
        assert_eq!(
            decision.events[0],
            VideoPromoted { video_id: video(1) }.into()
        );
        assert_eq!(
            given.state.videos[&video(1)].tracking_status,
            TrackingStatus::DirectAdd
        );
    }
}

#[test]
fn switching_a_direct_add_on_again_needs_room() {
    let mut given = Given::with_project(Plan::Free);
    for n in 1..=50 {
        given.then(&add_video(n));
    }
    let reason = TrackingDisabledReason::Manual;
    let off = Command::DisableTracking {
        video_id: video(1),
        reason,
    };
    assert_eq!(given.then(&off).len(), 1);
    assert!(given.then(&off).is_empty());
    given.then(&add_video(51));
    let patch = VideoPatch {
        tracking_enabled: Some(true),
        ..VideoPatch::default()
    };
    let on = Command::ChangeVideo {
        video_id: video(1),
        patch,
    };
    assert!(matches!(
        given.refused(&on),
        Rejection::LimitReached {
            current: 50,
            max: 50,
            ..
        }
    ));
}

#[test]
fn removing_a_project_takes_everything_along() {
    let mut given = Given::with_project(Plan::Starter).and(project_added(2));
    given.then(&add_creator(1, "goat"));
    given.then(&add_video(1));
    given.then(&Command::RemoveProject {
        project_id: project(1),
    });
    assert_eq!(
        given.state.current(LimitKey::MaxCreatorsPerOrg, given.at),
        Some(0)
    );
    assert_eq!(
        given
            .state
            .current(LimitKey::MaxTrackedVideosPerOrg, given.at),
        Some(0)
    );
    assert_eq!(given.refused(&add_creator(2, "ram")), Rejection::NotFound);
    let command = Command::RemoveVideo { video_id: video(1) };
    assert_eq!(given.refused(&command), Rejection::NotFound);
    let command = Command::RemoveCreator {
        creator_id: creator(1),
    };
    assert_eq!(given.refused(&command), Rejection::NotFound);
}

#[test]
fn a_patch_that_changes_nothing_records_nothing() {
    let mut given = Given::with_project(Plan::Starter);
    given.then(&add_creator(1, "goat"));
    let patch = CreatorPatch {
        display_name: Some(Some("Billy".to_owned())),
        readme: Some(Some(Readme::parse("target: 5 posts").unwrap())),
        ..CreatorPatch::default()
    };
    let change = Command::ChangeCreator {
        creator_id: creator(1),
        patch,
    };
    assert_eq!(given.then(&change).len(), 1);
    assert!(given.then(&change).is_empty());
}
