use std::collections::BTreeSet;

use proptest::prelude::*;

use super::harness::{
    Given, add_creator, add_video, creator, new_video, now, project, project_added, video,
};
use crate::event::{
    CampaignItemsAdded, CampaignItemsRemoved, EntityRef, Event, LimitChanged, MediaType,
    TrackingStatus, VideoDiscovered,
};
use crate::ids::{CampaignId, VideoId};
use crate::limits::EVENT_DATA_BYTES;
use crate::org::{CampaignPatch, Command, Existing, ItemStatus, NewCampaign, Outcome, Rejection};
use crate::plan::{LimitKey, Plan};
use crate::platform::{Platform, PlatformVideoId};
use crate::text::{CampaignName, Metadata, Readme};

fn campaign(n: u8) -> CampaignId {
    CampaignId::from_uuid(uuid::Uuid::from_bytes([n; 16]))
}

fn add_to(project_number: u8, n: u8) -> Command {
    Command::AddCampaign {
        project_id: project(project_number),
        campaign: NewCampaign {
            campaign_id: campaign(n),
            name: CampaignName::parse("Launch").unwrap(),
            readme: None,
            metadata: Metadata::empty(),
            target_views: None,
            target_at: None,
        },
    }
}

fn add(n: u8) -> Command {
    add_to(1, n)
}

fn put(n: u8, item: EntityRef) -> Command {
    Command::AddCampaignItem {
        campaign_id: campaign(n),
        item,
    }
}

fn put_campaign(n: u8, child: u8) -> Command {
    put(n, EntityRef::Campaign(campaign(child)))
}

fn duplicate(id: uuid::Uuid) -> Rejection {
    let what = Existing::CampaignItem;
    Rejection::Duplicate { what, id }
}

fn given(campaigns: u8) -> Given {
    let mut given = Given::with_project(Plan::Ultra);
    for n in 1..=campaigns {
        given.then(&add(n));
    }
    given
}

#[test]
fn campaigns_are_limited_by_project_and_removed_ones_do_not_count() {
    let mut given = Given::with_project(Plan::Starter)
        .and(project_added(2))
        .and(LimitChanged {
            limit_key: LimitKey::MaxCampaignsPerProject,
            value: Some(2),
        });
    given.then(&add(1));
    given.then(&add(2));
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxCampaignsPerProject,
        current: 2,
        max: 2,
    };
    assert_eq!(given.refused(&add(3)), reached);
    given.then(&add_to(2, 3));
    given.then(&Command::RemoveCampaign {
        campaign_id: campaign(1),
    });
    given.then(&add(4));
    assert_eq!(given.refused(&add_to(9, 5)), Rejection::NotFound);
}

#[test]
fn a_change_that_changes_nothing_is_no_event() {
    let mut given = given(1);
    let patch = |target_views| CampaignPatch {
        readme: Some(Some(Readme::parse("for agents").unwrap())),
        target_views,
        ..CampaignPatch::default()
    };
    let change = |target_views| Command::ChangeCampaign {
        campaign_id: campaign(1),
        patch: patch(target_views),
    };
    assert_eq!(given.then(&change(Some(Some(5)))).len(), 1);
    assert_eq!(given.then(&change(Some(Some(5)))), []);
    assert_eq!(given.then(&change(Some(None))).len(), 1);
    assert_eq!(given.state.campaigns[&campaign(1)].target_views, None);
}

#[test]
fn an_item_is_of_the_project_and_held_once() {
    let mut given = given(2).and(project_added(2));
    given.then(&add_creator(1, "goat"));
    given.then(&add_video(1));
    given.then(&add_to(2, 3));
    for item in [
        EntityRef::Creator(creator(1)),
        EntityRef::Video(video(1)),
        EntityRef::Campaign(campaign(2)),
    ] {
        let decision = given.when(&put(1, item)).unwrap();
        assert_eq!(decision.outcome, Outcome::Created(item.id()));
        assert_eq!(given.refused(&put(1, item)), duplicate(item.id()));
        assert_eq!(given.refused(&put(3, item)), Rejection::CrossProject);
    }
    let unknown = EntityRef::Creator(creator(9));
    assert_eq!(given.refused(&put(1, unknown)), Rejection::NotFound);
    let reloaded = given.reloaded();
    assert_eq!(reloaded.state.campaigns, given.state.campaigns);
}

#[test]
fn a_campaign_never_holds_itself_at_any_depth() {
    let mut given = given(4);
    let cycle = |path: &[u8]| Rejection::CampaignCycle {
        path: path.iter().map(|n| campaign(*n)).collect(),
    };
    assert_eq!(given.refused(&put_campaign(1, 1)), cycle(&[1]));
    given.then(&put_campaign(1, 2));
    given.then(&put_campaign(2, 3));
    given.then(&put_campaign(1, 3));
    assert_eq!(given.refused(&put_campaign(3, 1)), cycle(&[1, 3]));
    assert_eq!(given.refused(&put_campaign(3, 2)), cycle(&[2, 3]));
    given.then(&put_campaign(3, 4));
    assert_eq!(given.refused(&put_campaign(4, 2)), cycle(&[2, 3, 4]));
    // What was taken out does not stand in the way.
    given.then(&Command::RemoveCampaignItem {
        campaign_id: campaign(2),
        item: EntityRef::Campaign(campaign(3)),
    });
    given.then(&put_campaign(4, 2));
}

#[test]
fn many_items_are_judged_in_order_and_recorded_together() {
    let mut given = given(2).and(LimitChanged {
        limit_key: LimitKey::MaxCampaignItemsPerCampaign,
        value: Some(2),
    });
    for n in 1..=3 {
        given.then(&add_video(n));
    }
    let items = [1, 1, 9, 2, 3].map(|n| EntityRef::Video(video(n)));
    let command = Command::AddCampaignItems {
        campaign_id: campaign(1),
        items: items.to_vec(),
    };
    let decision = given.when(&command).unwrap();
    let Outcome::Items(outcomes) = decision.outcome else {
        panic!("{decision:?}")
    };
    let results: Vec<_> = outcomes.into_iter().map(|one| one.result).collect();
    let reached = Rejection::LimitReached {
        limit_key: LimitKey::MaxCampaignItemsPerCampaign,
        current: 2,
        max: 2,
    };
    assert_eq!(
        results,
        [
            Ok(ItemStatus::Created),
            Err(duplicate(video(1).as_uuid())),
            Err(Rejection::NotFound),
            Ok(ItemStatus::Created),
            Err(reached),
        ]
    );
    let added = |event: &&Event| matches!(event, Event::CampaignItemsAdded(_));
    assert_eq!(decision.events.iter().filter(added).count(), 1);
}

#[test]
fn what_is_gone_leaves_campaigns_and_does_not_come_back_into_them() {
    let mut given = given(3);
    given.then(&add_creator(1, "goat"));
    given.then(&add_video(2));
    let new = new_video(1);
    let mut given = given.and(VideoDiscovered {
        video_id: video(1),
        project_id: project(1),
        creator_id: creator(1),
        platform: new.platform,
        platform_video_id: new.platform_video_id,
        url: new.url,
        media_type: MediaType::Video,
        tracking_status: TrackingStatus::AutoTracked,
        posted_at: None,
    });
    given.then(&put(1, EntityRef::Creator(creator(1))));
    given.then(&put(2, EntityRef::Video(video(1))));
    given.then(&put(2, EntityRef::Video(video(2))));
    given.then(&put_campaign(1, 2));
    let remove_creator = Command::RemoveCreator {
        creator_id: creator(1),
    };
    let events = given.then(&remove_creator);
    let left = |n, items: &[EntityRef]| {
        let items = items.to_vec();
        let campaign_id = campaign(n);
        Event::from(CampaignItemsRemoved { campaign_id, items })
    };
    assert_eq!(events.len(), 3);
    assert_eq!(events[0], left(1, &[EntityRef::Creator(creator(1))]));
    assert_eq!(events[1], left(2, &[EntityRef::Video(video(1))]));
    given.then(&add_creator(2, "goat"));
    let items = |given: &Given, n| {
        let items = given.state.campaigns[&campaign(n)].items.keys();
        items.copied().collect::<Vec<_>>()
    };
    assert_eq!(items(&given, 1), [EntityRef::Campaign(campaign(2))]);
    let events = given.then(&Command::RemoveVideo { video_id: video(2) });
    assert_eq!(events[0], left(2, &[EntityRef::Video(video(2))]));
    let events = given.then(&Command::RemoveCampaign {
        campaign_id: campaign(2),
    });
    assert_eq!(events[0], left(1, &[EntityRef::Campaign(campaign(2))]));
    assert_eq!(items(&given, 1), []);
    let again = put(2, EntityRef::Creator(creator(1)));
    assert_eq!(given.refused(&again), Rejection::NotFound);
}

/// More than the data of one event may hold.
#[test]
fn however_many_videos_of_a_creator_leave_a_campaign_no_event_is_too_large() {
    const VIDEOS: u32 = 5_000;
    let mut given = given(1);
    given.then(&add_creator(1, "goat"));
    let of = |n: u32| VideoId::from_uuid(uuid::Uuid::from_u128(u128::MAX - u128::from(n)));
    for n in 0..VIDEOS {
        let platform = Platform::Tiktok;
        let platform_video_id = PlatformVideoId::parse(platform, &format!("74{n}")).unwrap();
        given = given.and(VideoDiscovered {
            video_id: of(n),
            project_id: project(1),
            creator_id: creator(1),
            platform,
            url: platform_video_id.url(platform, None),
            platform_video_id,
            media_type: MediaType::Video,
            tracking_status: TrackingStatus::AutoTracked,
            posted_at: None,
        });
    }
    let mut given = given.and(CampaignItemsAdded {
        campaign_id: campaign(1),
        items: (0..VIDEOS).map(|n| EntityRef::Video(of(n))).collect(),
    });
    let events = given.then(&Command::RemoveCreator {
        creator_id: creator(1),
    });
    assert!(events.len() > 2, "{} events", events.len());
    for event in &events {
        assert!(event.data().len() <= EVENT_DATA_BYTES);
    }
    assert!(given.state.campaigns[&campaign(1)].items.is_empty());
}

#[test]
fn removing_many_creators_takes_them_out_once() {
    let mut given = given(1);
    for (n, handle) in [(1, "goat"), (2, "sheep")] {
        given.then(&add_creator(n, handle));
        given.then(&put(1, EntityRef::Creator(creator(n))));
    }
    let events = given.then(&Command::RemoveCreators {
        project_id: project(1),
        creator_ids: vec![creator(1), creator(2), creator(1)],
    });
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(given.state.campaigns[&campaign(1)].items.is_empty());
}

proptest! {
    /// However campaigns are put into each other, none ever holds itself.
    #[test]
    fn no_sequence_of_items_makes_a_cycle(pairs in prop::collection::vec((1_u8..7, 1_u8..7), 1..60)) {
        let mut given = given(6);
        let mut edges: BTreeSet<(u8, u8)> = BTreeSet::new();
        for (holder, child) in pairs {
            let result = given.when(&put_campaign(holder, child));
            let is_cycle = reaches(&edges, child, holder);
            match result {
                Ok(_) => {
                    prop_assert!(!is_cycle);
                    edges.insert((holder, child));
                }
                Err(Rejection::CampaignCycle { path }) => {
                    prop_assert!(is_cycle);
                    prop_assert_eq!(path.first(), Some(&campaign(child)));
                    prop_assert_eq!(path.last(), Some(&campaign(holder)));
                }
                Err(Rejection::Duplicate { .. }) => prop_assert!(edges.contains(&(holder, child))),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
        }
        let at = now();
        prop_assert!(given.state.campaigns.values().all(|one| one.created_at == at));
    }
}

/// By repeated steps, unlike the search that is tested.
fn reaches(edges: &BTreeSet<(u8, u8)>, from: u8, to: u8) -> bool {
    let mut reached = BTreeSet::from([from]);
    loop {
        let next: BTreeSet<u8> = edges
            .iter()
            .filter(|(holder, _)| reached.contains(holder))
            .map(|(_, child)| *child)
            .chain(reached.iter().copied())
            .collect();
        if next == reached {
            return reached.contains(&to);
        }
        reached = next;
    }
}
