//! The newest position at which an answer of an org may have changed, as far as this replica
//! knows (design.md, "Response cache").

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use domain::ids::{GlobalPosition, OrgId};

use super::topic::{Topic, Topics};

/// Marks above which those that no cached answer needs are dropped.
const MARKS_KEPT: usize = 100_000;

/// What the follower of the log has seen, by org.
///
/// Only orgs that were answered for have a mark. It is made with the position announced then, as
/// if an event of that org stood there, so nothing has to be remembered of the others.
#[derive(Debug, Default)]
pub struct Freshness {
    marks: RwLock<HashMap<OrgId, Arc<Mark>>>,
    /// Moved *before* the events up to it are noted: a mark made meanwhile, which they may miss,
    /// begins above them.
    announced: AtomicU64,
    /// Moved *after* the events up to it are noted.
    followed: AtomicU64,
    /// The newest event noted that changes who may call.
    auth_followed: AtomicU64,
    /// The newest position that an answer of this replica was of. The projection may be ahead of the
    /// follower; until that has come up, what is kept may be older than what somebody has seen.
    shown: AtomicU64,
    /// Whether the follower sees what happens; until it begins, and once it cannot read the log,
    /// it does not.
    sees: AtomicBool,
}

/// Of one org: for each topic the newest position that touches it.
#[derive(Debug)]
pub struct Mark([AtomicU64; Topic::COUNT]);

impl Freshness {
    /// Everything up to here may have been missed: at the start, and when the log has another
    /// past. Whatever was cached before is no longer valid.
    pub fn restart(&self, head: GlobalPosition, auth_head: GlobalPosition) {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        void(&mut marks);
        self.announced.store(head.get(), Ordering::SeqCst);
        self.followed.store(head.get(), Ordering::SeqCst);
        self.auth_followed.store(auth_head.get(), Ordering::SeqCst);
        self.shown.store(head.get(), Ordering::SeqCst);
        drop(marks);
        self.see();
    }

    /// Whatever was cached before is no longer valid, though no event says so: other tables answer
    /// now. What is being computed from the former ones is not kept either, for its mark is older.
    pub fn forget(&self) {
        void(&mut self.marks.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Says that nothing was missed up to now.
    pub fn see(&self) {
        self.sees.store(true, Ordering::Release);
    }

    /// Says that something may be missed from now on.
    pub fn lose_sight(&self) {
        self.sees.store(false, Ordering::Release);
    }

    /// Whether what is known can be relied on.
    pub fn sees(&self) -> bool {
        self.sees.load(Ordering::Acquire)
    }

    /// Says that an answer of this position is given.
    pub fn show(&self, position: GlobalPosition) {
        self.shown.fetch_max(position.get(), Ordering::SeqCst);
    }

    /// Whether everything is noted up to what was shown.
    pub fn is_abreast(&self) -> bool {
        self.followed.load(Ordering::SeqCst) >= self.shown.load(Ordering::SeqCst)
    }

    /// Says that events up to here are about to be noted.
    pub fn announce(&self, last: GlobalPosition) {
        self.announced.fetch_max(last.get(), Ordering::SeqCst);
    }

    /// Notes one event.
    pub fn note(&self, org: OrgId, topics: Topics, position: GlobalPosition) {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = marks.get(&org) {
            mark.touch(topics, position);
        }
    }

    /// Says that every event up to here was noted.
    pub fn followed_to(&self, last: GlobalPosition) {
        self.followed.fetch_max(last.get(), Ordering::SeqCst);
    }

    /// Says that this event, which changes who may call, was noted.
    pub fn auth_followed_to(&self, position: GlobalPosition) {
        self.auth_followed
            .fetch_max(position.get(), Ordering::SeqCst);
    }

    /// A position such that no event above it, up to [`Freshness::followed`] as read before it,
    /// changes who may call.
    pub fn auth_followed(&self) -> GlobalPosition {
        GlobalPosition::new(self.auth_followed.load(Ordering::SeqCst))
    }

    /// The position up to which every event was noted.
    pub fn followed(&self) -> GlobalPosition {
        GlobalPosition::new(self.followed.load(Ordering::SeqCst))
    }

    /// The org's mark; it stays true for as long as it is held.
    pub fn mark(&self, org: OrgId) -> Arc<Mark> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(mark) = marks.get(&org) {
            return Arc::clone(mark);
        }
        drop(marks);
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        if marks.len() >= MARKS_KEPT {
            marks.retain(|_, mark| Arc::strong_count(mark) > 1);
        }
        let mark = marks.entry(org).or_insert_with(|| {
            let announced = self.announced.load(Ordering::SeqCst);
            Arc::new(Mark(std::array::from_fn(|_| AtomicU64::new(announced))))
        });
        Arc::clone(mark)
    }
}

/// No answer that holds one of these marks is ever fresh again.
fn void(marks: &mut HashMap<OrgId, Arc<Mark>>) {
    for mark in marks.values() {
        mark.touch(Topics::ALL, GlobalPosition::new(u64::MAX));
    }
    marks.clear();
}

impl Mark {
    /// The newest position that touches one of these topics.
    pub fn newest(&self, topics: Topics) -> GlobalPosition {
        let positions = topics.indices();
        let newest = positions.map(|index| self.0[index].load(Ordering::Acquire));
        GlobalPosition::new(newest.max().unwrap_or(0))
    }

    fn touch(&self, topics: Topics, position: GlobalPosition) {
        for index in topics.indices() {
            self.0[index].fetch_max(position.get(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::{GlobalPosition, OrgId};
    use uuid::Uuid;

    use super::Freshness;
    use crate::cache::topic::{Topic, Topics};

    const PROJECTS: Topics = Topics::of(&[Topic::Projects]);
    const VIDEOS: Topics = Topics::of(&[Topic::Videos]);

    fn org(number: u128) -> OrgId {
        OrgId::from_uuid(Uuid::from_u128(number))
    }

    fn at(position: u64) -> GlobalPosition {
        GlobalPosition::new(position)
    }

    #[test]
    fn a_mark_begins_at_what_was_announced_and_follows_its_org() {
        let freshness = Freshness::default();
        freshness.restart(at(10), at(9));
        freshness.announce(at(12));
        let mark = freshness.mark(org(1));
        assert_eq!(mark.newest(PROJECTS), at(12));
        freshness.note(org(1), PROJECTS, at(13));
        freshness.note(org(2), VIDEOS, at(14));
        assert_eq!(mark.newest(PROJECTS), at(13));
        assert_eq!(mark.newest(VIDEOS), at(12));
        assert_eq!(mark.newest(Topics::ALL), at(13));
        assert_eq!(mark.newest(Topics::NONE), at(0));
    }

    #[test]
    fn after_a_restart_an_old_mark_is_never_fresh_again() {
        let freshness = Freshness::default();
        let mark = freshness.mark(org(1));
        freshness.restart(at(3), at(3));
        assert_eq!(mark.newest(PROJECTS), at(u64::MAX));
        assert_eq!(freshness.mark(org(1)).newest(PROJECTS), at(3));
        assert_eq!(freshness.followed(), at(3));
    }

    #[test]
    fn what_is_forgotten_is_void_and_what_was_followed_stays() {
        let freshness = Freshness::default();
        freshness.restart(at(10), at(9));
        let mark = freshness.mark(org(1));
        freshness.announce(at(12));
        freshness.followed_to(at(12));
        freshness.forget();
        assert_eq!(mark.newest(PROJECTS), at(u64::MAX));
        assert_eq!(freshness.mark(org(1)).newest(PROJECTS), at(12));
        assert_eq!(freshness.followed(), at(12));
        assert_eq!(freshness.auth_followed(), at(9));
    }

    #[test]
    fn marks_that_nobody_holds_are_dropped_when_there_are_many() {
        let freshness = Freshness::default();
        let held = freshness.mark(org(0));
        for number in 1..=super::MARKS_KEPT {
            freshness.mark(org(number as u128));
        }
        freshness.note(org(0), PROJECTS, at(9));
        assert_eq!(held.newest(PROJECTS), at(9));
        assert!(freshness.marks.read().is_ok_and(|marks| marks.len() == 2));
    }
}
