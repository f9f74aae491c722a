//! Identical requests at the same time: one computes, the others wait for it and look again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::ids::OrgId;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How many of those who joined in vain compute at once.
const CROWD: usize = 4;

type Key = (OrgId, Box<str>);

/// The computations of this moment.
#[derive(Debug, Default)]
pub struct Flights(Mutex<HashMap<Key, Flight>>);

/// A computation, to those who joined it.
#[derive(Debug, Clone)]
pub struct Flight {
    /// Fires when it is done, with or without an answer.
    pub done: CancellationToken,
    /// Places of those to whom it left no answer: they do not fall upon the projection as one.
    pub crowd: Arc<Semaphore>,
}

/// What a request does that found no answer.
#[derive(Debug)]
pub enum Boarding<'a> {
    /// It computes.
    Leads(Landing<'a>),
    /// Another one computes.
    Joins(Flight),
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
        if let Some(flight) = flights.get(&key) {
            return Boarding::Joins(flight.clone());
        }
        let flight = Flight {
            done: CancellationToken::new(),
            crowd: Arc::new(Semaphore::new(CROWD)),
        };
        flights.insert(key.clone(), flight);
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
        if let Some(flight) = flights.remove(&self.key) {
            flight.done.cancel();
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
        let Boarding::Joins(flight) = flights.board(org, "/p") else {
            panic!("the second joins");
        };
        assert!(matches!(flights.board(org, "/q"), Boarding::Leads(_)));
        drop(landing);
        flight.done.cancelled().await;
        assert!(matches!(flights.board(org, "/p"), Boarding::Leads(_)));
    }
}
