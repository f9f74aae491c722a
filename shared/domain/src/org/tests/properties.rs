use chrono::TimeDelta;
use proptest::prelude::*;

use super::harness::{
    Given, add_creator, creator, invitation, invite, key, new_creator, new_key, new_session,
    new_video, person, project, project_added, session, signed_in, user, video,
};
use crate::event::{Event, Role, SessionEndReason, TrackingDisabledReason};
use crate::org::{
    Caller, Command, CreatorPatch, CreatorStatus, InvitationCommand, KeyDisposition, KeyPatch,
    NewKey, OrgState, ReviewDecision, Rotation, SessionCommand, VideoPatch,
};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Handle, Platform};
use crate::text::{Metadata, ProjectName};

pub fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => of_tracking(),
        1 => of_videos_in_bulk(),
        2 => of_keys(),
        2 => of_the_operator(),
        2 => of_people(),
    ]
}

fn role(is_admin: bool) -> Role {
    if is_admin { Role::Admin } else { Role::Member }
}

fn of_people() -> impl Strategy<Value = Command> {
    let small = 1..6_u8;
    prop_oneof![
        (1..60_u8, small.clone(), any::<bool>()).prop_map(|(n, to, admin)| invite(
            n,
            to,
            role(admin)
        )),
        (1..60_u8).prop_map(|n| Command::Invitation(InvitationCommand::Revoke {
            invitation_id: invitation(n)
        })),
        (1..60_u8).prop_map(|n| Command::Session(SessionCommand::End {
            session_id: session(n)
        })),
        small
            .clone()
            .prop_map(|n| Command::Session(SessionCommand::EndAll {
                user_id: user(n),
                except: Some(session(n)),
                reason: SessionEndReason::PasswordChanged,
            })),
        (small, any::<bool>()).prop_map(|(n, admin)| Command::ChangeRole {
            user_id: user(n),
            role: role(admin),
        }),
    ]
}

/// What people do for themselves, each as the person they say they are.
fn of_themselves() -> impl Strategy<Value = (u8, Command)> {
    let small = 1..6_u8;
    prop_oneof![
        (1..60_u8, small.clone()).prop_map(|(n, by)| {
            let session = new_session(n);
            (
                by,
                Command::Session(SessionCommand::Open {
                    user_id: user(by),
                    session,
                }),
            )
        }),
        (1..60_u8, small.clone()).prop_map(|(n, by)| {
            let invitation_id = invitation(n);
            let user_id = user(by);
            (
                by,
                Command::Invitation(InvitationCommand::Accept {
                    invitation_id,
                    user_id,
                    session: None,
                }),
            )
        }),
        (1..60_u8, small).prop_map(|(n, by)| {
            let (invitation_id, user_id) = (invitation(n), user(by));
            (
                by,
                Command::Invitation(InvitationCommand::Decline {
                    invitation_id,
                    user_id,
                }),
            )
        }),
    ]
}

fn of_videos_in_bulk() -> impl Strategy<Value = Command> {
    let small = 1..6_u8;
    prop_oneof![
        (small, prop::collection::vec(1..80_u8, 1..6)).prop_map(|(p, n)| Command::AddVideos {
            project_id: project(p),
            videos: n.into_iter().map(new_video).collect(),
        }),
        (1..80_u8, any::<bool>(), any::<bool>()).prop_map(|(n, enabled, include)| {
            Command::ChangeVideo {
                video_id: video(n),
                patch: VideoPatch {
                    tracking_enabled: Some(enabled),
                    decision: include.then_some(ReviewDecision::Include),
                    ..VideoPatch::default()
                },
            }
        }),
    ]
}

fn of_keys() -> impl Strategy<Value = Command> {
    let rates = prop_oneof![Just(None), (0..200_u64).prop_map(Some)];
    prop_oneof![
        (1..9_u8, rates.clone()).prop_map(|(n, rate)| Command::CreateKey(NewKey {
            rate_limit_per_minute: rate,
            ..new_key(n)
        })),
        (1..18_u8, rates, any::<bool>()).prop_map(|(n, rate, strict)| Command::ChangeKey {
            key_id: key(n),
            patch: KeyPatch {
                rate_limit_per_minute: rate,
                strict: Some(strict),
                ..KeyPatch::default()
            },
        }),
        (1..18_u8, 9..18_u8, 0..3_i64).prop_map(|(n, new, hours)| {
            let made = new_key(new);
            Command::RotateKey {
                key_id: key(n),
                rotation: Rotation {
                    new_key_id: made.key_id,
                    prefix: made.prefix,
                    hash: made.hash,
                    overlap_seconds: hours * 3_600,
                    name: None,
                    expires_at: None,
                },
            }
        }),
        (1..18_u8).prop_map(|n| Command::RevokeKey { key_id: key(n) }),
    ]
}

fn of_the_operator() -> impl Strategy<Value = Command> {
    let small = 1..6_u8;
    let limit = prop::sample::select(LimitKey::ALL);
    let value = prop_oneof![Just(None), (0..20_u64).prop_map(Some)];
    let handle = |n| Handle::parse(Platform::Tiktok, &format!("goat{n}")).unwrap();
    prop_oneof![
        (limit, value).prop_map(|(limit_key, value)| Command::SetLimit { limit_key, value }),
        any::<bool>().prop_map(|suspend| if suspend {
            Command::Suspend { reason: None }
        } else {
            Command::Reinstate
        }),
        (small, any::<bool>()).prop_map(|(n, ban)| if ban {
            Command::BanMember {
                user_id: user(n),
                reason: None,
            }
        } else {
            Command::UnbanMember { user_id: user(n) }
        }),
        (0..12_u8, any::<bool>()).prop_map(move |(n, ban)| if ban {
            Command::BanHandle {
                platform: Platform::Tiktok,
                handle: handle(n),
                reason: None,
            }
        } else {
            Command::UnbanHandle {
                platform: Platform::Tiktok,
                handle: handle(n),
            }
        }),
    ]
}

/// Commands on few creators and few handles of one project, so that these meet often.
fn of_handles() -> impl Strategy<Value = Command> {
    let (small, handle) = (1..6_u8, "goat[1-3]");
    prop_oneof![
        (small.clone(), handle).prop_map(|(n, handle)| add_creator(n, &handle)),
        (small.clone(), handle).prop_map(|(n, handle)| Command::ChangeCreator {
            creator_id: creator(n),
            patch: CreatorPatch {
                handle: Some(handle),
                ..CreatorPatch::default()
            },
        }),
        small.clone().prop_map(|n| Command::RemoveCreator {
            creator_id: creator(n)
        }),
        prop::collection::vec(small, 1..6).prop_map(|n| Command::RemoveCreators {
            project_id: project(1),
            creator_ids: n.into_iter().map(creator).collect(),
        }),
    ]
}

fn of_tracking() -> impl Strategy<Value = Command> {
    let small = 1..6_u8;
    prop_oneof![
        (small.clone(), 1..40_u8).prop_map(|(p, n)| Command::AddCreator {
            project_id: project(p),
            creator: new_creator(p * 12 + n % 12, &format!("goat{}", n % 12)),
        }),
        (small.clone(), prop::collection::vec(1..40_u8, 1..6)).prop_map(|(p, numbers)| {
            let creators = numbers
                .iter()
                .map(|n| new_creator(*n, &format!("goat{}", n % 12)))
                .collect();
            Command::AddCreators {
                project_id: project(p),
                creators,
            }
        }),
        (1..40_u8, 0..12_u8).prop_map(|(n, handle)| Command::ChangeCreator {
            creator_id: creator(n),
            patch: CreatorPatch {
                handle: Some(format!("goat{handle}")),
                display_name: Some((n % 2 == 0).then(|| "Billy".to_owned())),
                ..CreatorPatch::default()
            },
        }),
        (1..40_u8).prop_map(|n| Command::RemoveCreator {
            creator_id: creator(n)
        }),
        (1..40_u8).prop_map(|n| Command::AutoDisableCreator {
            creator_id: creator(n),
            reason: "gone".to_owned()
        }),
        (small.clone(), prop::collection::vec(1..40_u8, 1..6)).prop_map(|(p, n)| {
            let creator_ids = n.into_iter().map(creator).collect();
            Command::ReenableCreators {
                project_id: project(p),
                creator_ids,
            }
        }),
        (small.clone(), 1..80_u8).prop_map(|(p, n)| Command::AddVideo {
            project_id: project(p),
            video: new_video(n)
        }),
        (1..80_u8).prop_map(|n| Command::RemoveVideo { video_id: video(n) }),
        (1..80_u8, any::<bool>()).prop_map(|(n, include)| Command::ReviewVideo {
            video_id: video(n),
            decision: if include {
                ReviewDecision::Include
            } else {
                ReviewDecision::Exclude
            },
        }),
        (1..80_u8).prop_map(|n| Command::DisableTracking {
            video_id: video(n),
            reason: TrackingDisabledReason::Manual
        }),
        small.clone().prop_map(|p| Command::AddProject {
            project_id: project(p),
            name: ProjectName::parse("Spring").unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        }),
        small.clone().prop_map(|p| Command::RemoveProject {
            project_id: project(p)
        }),
        (small.clone(), any::<bool>()).prop_map(|(n, admin)| Command::JoinMember {
            user_id: user(n),
            role: if admin { Role::Admin } else { Role::Member },
        }),
        small.clone().prop_map(|n| Command::RemoveMember {
            user_id: user(n),
            keys: Some(KeyDisposition::Revoke)
        }),
        small.prop_map(|n| Command::SetPlan {
            plan: if n % 2 == 0 {
                Plan::Free
            } else {
                Plan::Starter
            }
        }),
    ]
}

/// Counts from scratch, without the state's own counters.
fn counts(state: &OrgState) -> (u64, u64) {
    let creators = state
        .creators
        .values()
        .filter(|c| c.status == CreatorStatus::Active && state.project(c.project_id).is_some());
    let videos = state
        .videos
        .values()
        .filter(|v| v.is_tracked_direct_add() && state.project(v.project_id).is_some());
    (creators.count() as u64, videos.count() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_accepted_history_folds_keeps_its_counts_and_holds_its_limits(
        commands in prop::collection::vec(command(), 1..120),
    ) {
        let mut given = Given::org(Plan::Starter).and(project_added(1));
        for command in commands {
            let limits = [LimitKey::MaxCreatorsPerOrg, LimitKey::MaxTrackedVideosPerOrg,
                LimitKey::MaxProjectsPerOrg, LimitKey::MaxMembersPerOrg, LimitKey::MaxApiKeysPerOrg];
            let before = limits.map(|key| given.state.current(key, given.at));
            let decided = given.when(&command);
            for (key, before) in limits.into_iter().zip(before) {
                let current = given.state.current(key, given.at).unwrap();
                let max = given.state.limits().max(key).unwrap();
                // What a lowered plan left above the limit stays, but never grows.
                prop_assert!(current <= max.max(before.unwrap()), "{key} {current} > {max}");
            }
            if let Ok(decision) = &decided {
                for event in &decision.events {
                    let rate = match event {
                        Event::KeyCreated(created) => Some(created.rate_limit_per_minute),
                        Event::KeyChanged(changed) => changed.rate_limit_per_minute,
                        _ => None,
                    };
                    prop_assert_ne!(rate, Some(0), "what the gate's table refuses");
                }
            }
            let (creators, videos) = counts(&given.state);
            prop_assert_eq!(given.state.current(LimitKey::MaxCreatorsPerOrg, given.at), Some(creators));
            prop_assert_eq!(given.state.current(LimitKey::MaxTrackedVideosPerOrg, given.at), Some(videos));
            if decided.is_ok() {
                let again = given.decide(&command);
                let silent = again.as_ref().map_or(true, |decision| decision.events.is_empty());
                prop_assert!(silent, "decided twice: {command:?} {again:?}");
            }
        }
        let loaded = given.reloaded().state;
        prop_assert_eq!(counts(&loaded), counts(&given.state));
        prop_assert_eq!(loaded.creators_by_handle, given.state.creators_by_handle);
        prop_assert_eq!(loaded.videos_by_platform_id, given.state.videos_by_platform_id);
        prop_assert_eq!(serde_json::to_value(&loaded.keys).unwrap(), serde_json::to_value(&given.state.keys).unwrap());
    }

    #[test]
    fn a_state_from_a_snapshot_decides_and_indexes_as_the_folded_one(
        steps in prop::collection::vec(
            (prop_oneof![4 => of_handles(), 1 => command()], 0..2_i64), 1..50,
        ),
    ) {
        let mut folded = Given::org(Plan::Starter).and(project_added(1));
        for (command, seconds) in steps {
            folded = folded.later(TimeDelta::seconds(seconds));
            let loaded = folded.reloaded();
            prop_assert_eq!(loaded.decide(&command), folded.decide(&command));
            let _ = folded.when(&command);
            let (loaded, folded) = (&folded.reloaded().state, &folded.state);
            prop_assert_eq!(&loaded.creators_by_handle, &folded.creators_by_handle);
            prop_assert_eq!(&loaded.videos_by_platform_id, &folded.videos_by_platform_id);
            prop_assert_eq!(loaded.active_creators, folded.active_creators);
            prop_assert_eq!(loaded.tracked_direct_adds, folded.tracked_direct_adds);
        }
    }

    #[test]
    fn an_org_keeps_an_admin_and_only_members_are_signed_in(
        commands in prop::collection::vec(
            prop_oneof![of_people().prop_map(|it| (None, it)), of_themselves().prop_map(|(by, it)| (Some(by), it)),
                (1..6_u8).prop_map(|n| (None, Command::RemoveMember { user_id: user(n), keys: None }))],
            1..80,
        ),
    ) {
        let mut given = Given::org(Plan::Starter).and_member(1, Role::Admin);
        for (by, command) in commands {
            given.caller = by.map_or(Caller::Operator, person);
            let before = given.state.members.len();
            let _ = given.when(&command);
            let (state, at) = (&given.state, given.at);
            prop_assert!(state.members.values().any(|member| member.role == Role::Admin));
            let max = state.limits().max(LimitKey::MaxMembersPerOrg).unwrap();
            prop_assert!(state.members.len() as u64 <= max.max(before as u64));
            for session in state.sessions.values().filter(|session| session.is_live(at)) {
                prop_assert!(state.members.contains_key(&session.user_id));
            }
            for n in 1..6 {
                let live = state.sessions.values().filter(|it| it.user_id == user(n) && it.is_live(at));
                prop_assert!(live.count() <= crate::limits::SESSIONS_PER_MEMBER);
            }
        }
        let loaded = given.reloaded().state;
        prop_assert_eq!(&loaded.sessions, &given.state.sessions);
        prop_assert_eq!(&loaded.invitations, &given.state.invitations);
    }

    #[test]
    fn an_ended_session_never_decides_again(
        commands in prop::collection::vec(command(), 1..40),
        hours in 0..48_i64,
    ) {
        let mut given = Given::org(Plan::Ultra).and_member(200, Role::Admin).and_session(200);
        given.then(&Command::Session(SessionCommand::End { session_id: session(200) }));
        let given = given.by(signed_in(200)).later(TimeDelta::hours(hours));
        for command in commands {
            prop_assert!(given.decide(&command).is_err());
        }
    }

    #[test]
    fn a_revoked_key_never_decides_again(
        commands in prop::collection::vec(command(), 1..40),
        hours in 0..48_i64,
    ) {
        let mut given = Given::org(Plan::Ultra).and_key(200, crate::scope::Scopes::ALL);
        given.then(&Command::RevokeKey { key_id: key(200) });
        let given = given.by(Caller::Key(key(200))).later(TimeDelta::hours(hours));
        for command in commands {
            prop_assert!(given.decide(&command).is_err());
        }
    }
}
