//! What took access away from a whole org or from a person in it, for a barrier that is asked for
//! again. What did so from a key is with the key, a removal with the former members.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Denial, OrgState, Recorded};
use crate::event::Event;
use crate::ids::UserId;
use crate::plan::LimitKey;

/// The newest of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denials {
    /// The org's suspension.
    pub suspension: Option<Denial>,
    /// A change of plan.
    pub plan: Option<Denial>,
    /// Changes of limits on requests.
    pub limits: BTreeMap<LimitKey, Denial>,
    /// Demotions by person.
    pub demotions: BTreeMap<UserId, Denial>,
    /// Bans by person.
    pub bans: BTreeMap<UserId, Denial>,
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    if !recorded.event.denies() {
        return;
    }
    let (denials, denial) = (&mut state.denials, Denial::of(recorded, None));
    match recorded.event {
        Event::OrgSuspended(_) => denials.suspension = Some(denial),
        Event::PlanChanged(_) => denials.plan = Some(denial),
        Event::LimitChanged(changed) => {
            denials.limits.insert(changed.limit_key, denial);
        }
        Event::MemberRoleChanged(changed) => {
            denials.demotions.insert(changed.user_id, denial);
        }
        Event::MemberBanned(banned) => {
            denials.bans.insert(banned.user_id, denial);
        }
        _ => {}
    }
}
