//! Places of tests that are under way: so many of one org, so many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::ids::OrgId;
use domain::limits::{ORG_WEBHOOK_TESTS, WEBHOOK_TEST_TURN_SECONDS, WEBHOOK_TESTS};
use runtime::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a test waits until it is its turn.
const TURN_WITHIN: Duration = Duration::from_secs(WEBHOOK_TEST_TURN_SECONDS);

/// Counts tests that are under way, or wait for their turn.
pub(super) struct Turns {
    clock: Clock,
    all: Arc<Semaphore>,
    of_orgs: Arc<OfOrgs>,
}

type OfOrgs = Mutex<HashMap<OrgId, usize>>;

/// A test's place, given back when dropped.
#[derive(Debug)]
pub struct Turn {
    _of_all: OwnedSemaphorePermit,
    _of_org: PlaceOfOrg,
}

#[derive(Debug)]
struct PlaceOfOrg {
    of_orgs: Arc<OfOrgs>,
    org: OrgId,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The org has all that it may.
    Org,
    /// All were taken for as long as a test waits.
    All,
}

impl Turns {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            all: Arc::new(Semaphore::new(WEBHOOK_TESTS)),
            of_orgs: Arc::default(),
        }
    }

    /// A place for one more test of the org. Those of one org are refused at once: no org keeps others
    /// waiting, nor more of itself than it may.
    pub(super) async fn take(&self, org: OrgId) -> Result<Turn, Full> {
        let of_org = PlaceOfOrg::take(&self.of_orgs, org)?;
        let place = Arc::clone(&self.all).acquire_owned();
        match self.clock.timeout(TURN_WITHIN, place).await {
            Ok(Ok(of_all)) => Ok(Turn {
                _of_all: of_all,
                _of_org: of_org,
            }),
            Ok(Err(_)) | Err(_) => Err(Full::All),
        }
    }
}

impl PlaceOfOrg {
    fn take(of_orgs: &Arc<OfOrgs>, org: OrgId) -> Result<Self, Full> {
        let mut taken = of_orgs.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(org).or_insert(0);
        if *count >= ORG_WEBHOOK_TESTS {
            return Err(Full::Org);
        }
        *count += 1;
        let of_orgs = Arc::clone(of_orgs);
        Ok(Self { of_orgs, org })
    }
}

impl Drop for PlaceOfOrg {
    fn drop(&mut self) {
        let taken = self.of_orgs.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.org);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn org(number: usize) -> OrgId {
        OrgId::from_uuid(Uuid::from_u128(number as u128))
    }

    #[tokio::test]
    async fn an_org_has_its_places_and_all_have_theirs() {
        let (clock, hand) = Clock::manual(Clock::system().now());
        let turns = Turns::new(clock);
        let mut taken = Vec::new();
        for number in 0..WEBHOOK_TESTS {
            let one = org(number / ORG_WEBHOOK_TESTS);
            taken.push(turns.take(one).await.unwrap());
        }
        assert_eq!(turns.take(org(0)).await.err(), Some(Full::Org));
        let other = org(WEBHOOK_TESTS);
        let mut waits = Box::pin(turns.take(other));
        assert!((&mut waits).now_or_never().is_none(), "it waits its turn");
        taken.pop();
        assert!(waits.await.is_ok());
        let last = turns.take(other).await.unwrap();
        let mut waits = Box::pin(turns.take(other));
        assert!((&mut waits).now_or_never().is_none());
        hand.advance(TURN_WITHIN);
        assert_eq!(waits.await.err(), Some(Full::All));
        drop((last, taken));
        assert!(turns.of_orgs.lock().unwrap().is_empty());
        assert_eq!(turns.all.available_permits(), WEBHOOK_TESTS);
    }
}
