//! Places of answers that go on for long: so many of one org, so many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::OrgId;

/// Counts answers that are under way.
#[derive(Debug)]
pub struct Places {
    most_of_org: usize,
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    of_orgs: HashMap<OrgId, usize>,
    count: usize,
}

/// An answer's place, given back when dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    org: OrgId,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The org has all that it may.
    Org,
    /// All are taken.
    All,
}

impl Places {
    /// So many of one org, and in all.
    pub fn new(most_of_org: usize, most: usize) -> Arc<Self> {
        Arc::new(Self {
            most_of_org,
            most,
            taken: Mutex::default(),
        })
    }

    /// A place for one more answer.
    pub fn enter(self: &Arc<Self>, org: OrgId) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.of_orgs.get(&org).copied().unwrap_or(0) >= self.most_of_org {
            return Err(Full::Org);
        }
        if taken.count >= self.most {
            return Err(Full::All);
        }
        taken.count += 1;
        *taken.of_orgs.entry(org).or_insert(0) += 1;
        Ok(Place {
            places: Arc::clone(self),
            org,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.count -= 1;
        if let Some(count) = taken.of_orgs.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                taken.of_orgs.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_org_has_its_places_and_all_have_theirs() {
        let org = |number| OrgId::from_uuid(Uuid::from_u128(number));
        let places = Places::new(2, 3);
        let first = places.enter(org(1)).unwrap();
        let _second = places.enter(org(1)).unwrap();
        assert_eq!(places.enter(org(1)).err(), Some(Full::Org));
        let _other = places.enter(org(2)).unwrap();
        assert_eq!(places.enter(org(2)).err(), Some(Full::All));
        drop(first);
        drop(places.enter(org(2)).unwrap());
        let _again = places.enter(org(1)).unwrap();
        assert_eq!(places.taken.lock().unwrap().of_orgs.len(), 2);
    }
}
