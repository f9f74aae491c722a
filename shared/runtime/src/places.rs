//! Places of what goes on for long: so many for one owner, so many in all.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what is under way, by owner.
#[derive(Debug)]
pub struct Places<O: Copy + Eq + Hash> {
    most_of_owner: usize,
    most: usize,
    taken: Mutex<Taken<O>>,
}

#[derive(Debug)]
struct Taken<O> {
    of_owners: HashMap<O, usize>,
    count: usize,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub struct Place<O: Copy + Eq + Hash> {
    places: Arc<Places<O>>,
    owner: O,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The owner has all that it may.
    Owner,
    /// All are taken.
    All,
}

impl<O: Copy + Eq + Hash> Places<O> {
    /// So many for one owner, and in all.
    pub fn new(most_of_owner: usize, most: usize) -> Arc<Self> {
        let taken = Taken {
            of_owners: HashMap::new(),
            count: 0,
        };
        Arc::new(Self {
            most_of_owner,
            most,
            taken: Mutex::new(taken),
        })
    }

    /// A place for one more.
    ///
    /// # Errors
    /// [`Full`]
    pub fn enter(self: &Arc<Self>, owner: O) -> Result<Place<O>, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.of_owners.get(&owner).copied().unwrap_or(0) >= self.most_of_owner {
            return Err(Full::Owner);
        }
        if taken.count >= self.most {
            return Err(Full::All);
        }
        taken.count += 1;
        *taken.of_owners.entry(owner).or_insert(0) += 1;
        Ok(Place {
            places: Arc::clone(self),
            owner,
        })
    }
}

impl<O: Copy + Eq + Hash> Drop for Place<O> {
    fn drop(&mut self) {
        let taken = self.places.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.count -= 1;
        if let Some(count) = taken.of_owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                taken.of_owners.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_owner_has_its_places_and_all_have_theirs() {
        let places = Places::new(2, 3);
        let first = places.enter(1).unwrap();
        let _second = places.enter(1).unwrap();
        assert_eq!(places.enter(1).err(), Some(Full::Owner));
        let _other = places.enter(2).unwrap();
        assert_eq!(places.enter(2).err(), Some(Full::All));
        drop(first);
        drop(places.enter(2).unwrap());
        let _again = places.enter(1).unwrap();
        assert_eq!(places.taken.lock().unwrap().of_owners.len(), 2);
    }
}
