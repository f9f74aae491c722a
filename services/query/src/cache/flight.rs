//! Identical requests at the same time: one computes, the others wait for it and look again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::ids::OrgId;
use tokio_util::sync::CancellationToken;

type Key = (OrgId, Box<str>);

/// The computations of this moment.
#[derive(Debug, Default)]
pub struct Flights(Mutex<HashMap<Key, CancellationToken>>);

/// What a request does that found no answer.
#[derive(Debug)]
pub enum Boarding<'a> {
    /// It computes.
    Leads(Landing<'a>),
    /// Another one computes; this fires when that one is done, with or without an answer.
    Joins(CancellationToken),
}

/// Held while one computes; letting go of it wakes those who wait.
#[derive(Debug)]
pub struct Landing<'a> {
    flights: &'a Flights,
    key: Key,
}

impl Flights {
    /// Takes the lead, or joins. Whoever joined trusts nothing but the cache, and computes without
    /// waiting again if that has no answer: a queue would cost more than it saves.
    pub fn board(&self, org: OrgId, target: &str) -> Boarding<'_> {
        let key = (org, Box::from(target));
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = flights.get(&key) {
            return Boarding::Joins(done.clone());
        }
        flights.insert(key.clone(), CancellationToken::new());
        Boarding::Leads(Landing { flights: self, key })
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self
            .flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = flights.remove(&self.key) {
            done.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::OrgId;
    use uuid::Uuid;

    use super::{Boarding, Flights};

    #[tokio::test]
    async fn one_leads_and_the_others_wake_when_it_is_gone() {
        let flights = Flights::default();
        let org = OrgId::from_uuid(Uuid::nil());
        let Boarding::Leads(landing) = flights.board(org, "/p") else {
            panic!("the first leads");
        };
        let Boarding::Joins(done) = flights.board(org, "/p") else {
            panic!("the second joins");
        };
        assert!(matches!(flights.board(org, "/q"), Boarding::Leads(_)));
        drop(landing);
        done.cancelled().await;
        assert!(matches!(flights.board(org, "/p"), Boarding::Leads(_)));
    }
}
