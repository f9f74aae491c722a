//! How many connections keys and orgs have, and which of them are too many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::ids::{KeyId, OrgId};
use domain::limits::{SUBSCRIBER_CONNECTIONS_OF_KEY, SUBSCRIBER_CONNECTIONS_OF_ORG};

/// Connections of each key and each org.
#[derive(Debug, Clone, Default)]
struct Counts {
    keys: HashMap<KeyId, usize>,
    orgs: HashMap<OrgId, usize>,
}

/// What was seen at the last look, and who was let in here since. Others let in too, so that it
/// may be too few for a moment: what is too many is ended at the next look.
#[derive(Debug, Default)]
pub struct Held(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    all: Counts,
    /// Those that a look which is under way may not see.
    since: Vec<(OrgId, KeyId)>,
}

impl Counts {
    /// Counts one more, if it is not too many.
    fn add(&mut self, org: OrgId, key: KeyId) -> bool {
        let of_key = self.keys.entry(key).or_default();
        let of_org = self.orgs.entry(org).or_default();
        let fits =
            *of_key < SUBSCRIBER_CONNECTIONS_OF_KEY && *of_org < SUBSCRIBER_CONNECTIONS_OF_ORG;
        if fits {
            *of_key += 1;
            *of_org += 1;
        }
        fits
    }
}

impl Held {
    /// Takes a connection for a key that is being let in, unless it is one too many.
    pub fn take(&self, org: OrgId, key: KeyId) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = known.all.add(org, key);
        if fits {
            known.since.push((org, key));
        }
        fits
    }

    /// A look begins: it sees who was let in before.
    pub fn begin(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.since.clear();
    }

    /// What it saw, in the order in which they connected. Says of each whether it may stay: the
    /// newest go.
    pub fn see(&self, seen: impl Iterator<Item = (OrgId, KeyId)>) -> Vec<bool> {
        let mut all = Counts::default();
        let stay = seen.map(|(org, key)| all.add(org, key)).collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (org, key) in &known.since {
            all.add(*org, *key);
        }
        known.all = all;
        stay
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const ORG: &str = "0190163d-8694-739b-aea5-966c26f8ad90";

    fn key(n: usize) -> KeyId {
        let text = format!("0190163d-8694-739b-aea5-{n:012x}");
        text.parse().unwrap()
    }

    fn org() -> OrgId {
        ORG.parse().unwrap()
    }

    #[test]
    fn a_key_has_so_many_and_another_is_not_in_its_way() {
        let held = Held::default();
        for _ in 0..SUBSCRIBER_CONNECTIONS_OF_KEY {
            assert!(held.take(org(), key(1)));
        }
        assert!(!held.take(org(), key(1)));
        assert!(held.take(org(), key(2)));
    }

    #[test]
    fn an_org_has_so_many_whatever_their_keys() {
        let held = Held::default();
        for n in 0..SUBSCRIBER_CONNECTIONS_OF_ORG {
            assert!(held.take(org(), key(n)));
        }
        assert!(!held.take(org(), key(SUBSCRIBER_CONNECTIONS_OF_ORG)));
        let other = "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap();
        assert!(held.take(other, key(SUBSCRIBER_CONNECTIONS_OF_ORG)));
    }

    #[test]
    fn what_a_look_sees_takes_the_place_of_what_was_known() {
        let held = Held::default();
        let full = SUBSCRIBER_CONNECTIONS_OF_KEY;
        while held.take(org(), key(1)) {}
        held.begin();
        assert!(held.see(std::iter::empty()).is_empty());
        assert!(held.take(org(), key(1)), "the others are gone");
        // Who is let in while it looks may not be among those it sees.
        held.begin();
        assert!(held.take(org(), key(1)));
        let seen = (0..full - 1).map(|_| (org(), key(1)));
        assert_eq!(held.see(seen), vec![true; full - 1]);
        assert!(!held.take(org(), key(1)));
    }

    #[test]
    fn the_newest_are_too_many() {
        let held = Held::default();
        let full = SUBSCRIBER_CONNECTIONS_OF_KEY;
        let mut seen = vec![(org(), key(1)); full + 2];
        seen.push((org(), key(2)));
        let mut stay = vec![true; full];
        stay.extend([false, false, true]);
        assert_eq!(held.see(seen.into_iter()), stay);
    }
}
