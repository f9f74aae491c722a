//! What must stay online of archived events, held to what was archived.

use std::collections::{HashMap, VecDeque};

use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId};
use event_log::StoredEvent;
use event_log::archive::{Stretch, is_fixed};

use super::report::Fault;

/// How far it is.
pub struct Online {
    /// The stretches that are not behind, the oldest first.
    stretches: VecDeque<Stretch>,
    /// Of each org the newest observation of the stretch so far, and whether it is online.
    newest: HashMap<OrgId, (GlobalPosition, bool)>,
}

impl Online {
    pub fn of(stretches: Vec<Stretch>) -> Self {
        Self {
            stretches: stretches.into(),
            newest: HashMap::new(),
        }
    }

    /// Past the next archived events, with what is online of them. The first that is online as another,
    /// or not at all though it had to stay; newest readings are not looked for.
    pub fn past(&mut self, archived: &[StoredEvent], kept: &[StoredEvent]) -> Option<Fault> {
        archived.iter().find_map(|event| {
            let found = kept.binary_search_by_key(&event.position, |kept| kept.position);
            let kept = found.ok().map(|place| &kept[place]);
            self.past_one(event, kept)
        })
    }

    fn past_one(&mut self, event: &StoredEvent, kept: Option<&StoredEvent>) -> Option<Fault> {
        let position = event.position;
        let fault = |what: &str| Some(Fault::at(position, what));
        let stretch = self.stretches.front().copied();
        match kept {
            Some(kept) if kept != event => {
                return fault("what is online of it is not what was archived");
            }
            None if event.stream == Stream::Decisions => {
                return fault("it is a decision, and is archived, but not online any more");
            }
            None if stretch.is_some_and(|stretch| is_fixed(stretch, position)) => {
                return fault("it is at an end of what was archived, but not online any more");
            }
            _ => {}
        }
        if event.stream == Stream::Observations {
            self.newest.insert(event.org_id, (position, kept.is_some()));
        }
        if stretch.is_none_or(|stretch| position < stretch.last) {
            return None;
        }
        self.stretches.pop_front();
        let newest = self.newest.drain().map(|(_, newest)| newest);
        let lost = newest.filter(|(_, is_online)| !is_online).min();
        lost.map(|(lost, _)| {
            let what = "it is the newest of a stream in what was archived, but not online any more";
            Fault::at(lost, what)
        })
    }
}
