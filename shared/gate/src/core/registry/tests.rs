#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::core::stamp::{Generation, Mark};

const TERMS: OrgTerms = OrgTerms {
    per_day: Some(10),
    per_minute: 60,
};

fn at(position: u64) -> Stamp {
    Generation::NONE
        .next()
        .unwrap()
        .at(GlobalPosition::new(position))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn org(number: u128) -> OrgId {
    OrgId::from_uuid(id(number))
}

fn read_at(position: u64) -> GlobalPosition {
    GlobalPosition::new(position)
}

fn clock(seconds: u64) -> Boottime {
    Boottime::from_nanos(seconds * 1_000_000_000)
}

#[test]
fn a_tombstone_is_seen_by_who_came_before_and_who_comes_after() {
    let registry = Registry::default();
    let tomb = Tomb::new(at(5), Mark::Ended);
    let before = registry.credential(id(1), org(1));
    assert_eq!(before.tomb(), Tomb::NONE);
    for number in [1, 2] {
        registry.entomb(Subject::Credential(id(number)), tomb);
    }
    assert_eq!(before.tomb(), tomb);
    assert_eq!(registry.credential(id(2), org(1)).tomb(), tomb);
    assert_eq!(registry.credential(id(3), org(1)).tomb(), Tomb::NONE);
    assert_eq!(registry.tombs(), 2);
}

#[test]
fn owner_and_org_are_told_apart() {
    let registry = Registry::default();
    let user = UserId::from_uuid(id(7));
    let owner = registry.owner(org(1), Some(user), read_at(1), TERMS);
    let nobody = registry.owner(org(1), None, read_at(1), TERMS);
    registry.entomb(
        Subject::Owner(org(1), user),
        Tomb::new(at(5), Mark::Changed),
    );
    registry.entomb(Subject::Org(org(1)), Tomb::new(at(6), Mark::Ended));
    assert_eq!(owner.tomb().stamp(), at(5));
    assert_eq!(nobody.tomb(), Tomb::NONE);
    assert_eq!(nobody.org.tomb().stamp(), at(6));
    assert!(Arc::ptr_eq(&owner.org, &nobody.org));
}

#[test]
fn the_newest_terms_of_an_org_hold_for_all_its_entries() {
    let registry = Registry::default();
    let owner = registry.owner(org(1), None, read_at(5), TERMS);
    let unlimited = OrgTerms {
        per_day: None,
        ..TERMS
    };
    registry.owner(org(1), None, read_at(4), unlimited);
    assert_eq!(owner.org.terms(), TERMS);
    registry.owner(org(1), None, read_at(6), unlimited);
    assert_eq!(owner.org.terms(), unlimited);
    registry.read_from(LogEpoch::from_uuid(id(1)));
    registry.owner(org(1), None, read_at(2), TERMS);
    assert_eq!(owner.org.terms(), TERMS);
}

#[test]
fn only_what_is_idle_and_unreferenced_is_swept() {
    let registry = Registry::default();
    let kept = registry.credential(id(1), org(1));
    registry
        .credential(id(2), org(1))
        .state()
        .window
        .take(clock(1), 60);
    registry.entomb(Subject::Credential(id(9)), Tomb::new(at(5), Mark::Ended));
    registry.sweep(clock(30));
    assert_eq!(registry.credentials().count(), 2);
    registry.sweep(clock(200));
    assert_eq!(registry.credentials().count(), 1);
    assert!(Arc::ptr_eq(&kept, &registry.credential(id(1), org(1))));
    assert_eq!(registry.tombs(), 1);
}

/// One of a credential, one of a person and one of an org, each at the position and the two after it.
fn entomb_all_kinds(registry: &Registry, position: u64) {
    let user = UserId::from_uuid(id(7));
    for number in 0..3 {
        let tomb = Tomb::new(at(position + number), Mark::Ended);
        let number = number.into();
        registry.entomb(Subject::Credential(id(number)), tomb);
        registry.entomb(Subject::Owner(org(number), user), tomb);
        registry.entomb(Subject::Org(org(number)), tomb);
    }
}

#[test]
fn tombstones_of_every_kind_are_forgotten_below_the_floor_and_collected_up_to_it() {
    let registry = Registry::default();
    entomb_all_kinds(&registry, 5);
    assert_eq!(registry.tombs(), 9);
    registry.forget(at(6));
    assert_eq!(registry.tombs(), 6);
    registry.collect(at(6));
    assert_eq!(registry.tombs(), 3);
    registry.collect(at(7));
    assert_eq!(registry.tombs(), 0);
}

#[test]
fn what_nobody_was_there_to_be_told_is_news_no_more() {
    let registry = Registry::default();
    let credential = registry.credential(id(1), org(1));
    let news = || credential.state().take(clock(1), 60, Some(Part::Whole)).1;
    assert!(news().is_first && credential.has_news());
    assert!(!news().is_first);
    credential.drop_news();
    assert!(!credential.has_news());
    assert!(news().is_first);
}

#[test]
fn what_is_collected_is_forgotten_of_those_that_come_later() {
    let registry = Registry::default();
    let before = registry.credential(id(1), org(1));
    for (number, position) in [(1, 5), (2, 6), (3, 7)] {
        let tomb = Tomb::new(at(position), Mark::Ended);
        registry.entomb(Subject::Credential(id(number)), tomb);
    }
    registry.collect(at(6));
    assert_eq!(registry.tombs(), 1);
    assert_eq!(registry.tomb_of(id(2)), Tomb::NONE);
    assert_eq!(registry.tomb_of(id(3)).stamp(), at(7));
    // A cell keeps what it knows.
    assert_eq!(before.tomb().stamp(), at(5));
}
