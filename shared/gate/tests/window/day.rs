//! The org's day, as Postgres hands it out while answers get lost.

use std::time::Duration;

use chrono::NaiveDate;
use gate::core::quota::{Allowance, Day as Taken, Grant};
use runtime::entropy::Entropy;

use crate::process::Process;

/// What Postgres knows, and what was made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Day {
    pub limit: u64,
    pub reserved: u64,
    pub asked: u64,
    /// Requests that were let in.
    pub served: u64,
    /// Reservations that were made and of which nobody heard.
    pub unheard: u64,
    /// Of four statements one may fail, before or after it has done what it should.
    fails: bool,
}

impl Day {
    pub fn new(limit: u64, fails: bool) -> Self {
        Self {
            limit,
            reserved: 0,
            asked: 0,
            served: 0,
            unheard: 0,
            fails,
        }
    }

    /// A request that the window let in.
    pub fn take(&mut self, process: &Process, now: u64, entropy: &Entropy) {
        let (allowance, local) = (&process.allowance, process.local(now));
        self.asked += 1;
        let mut taken = allowance.take(self.limit, local);
        if taken == Taken::Ask {
            self.reserve(process, now, entropy);
            taken = allowance.take(self.limit, local);
        }
        self.served += u64::from(matches!(taken, Taken::Admitted { .. }));
    }

    fn reserve(&mut self, process: &Process, now: u64, entropy: &Entropy) {
        let (allowance, local) = (&process.allowance, process.local(now));
        let wanted = allowance.reserve(self.limit, local).wanted;
        let fate = if self.fails { entropy.u64() % 8 } else { 7 };
        if fate == 0 {
            return allowance.failed(local);
        }
        let granted = wanted.min(self.limit - self.reserved);
        self.reserved += granted;
        if fate == 1 {
            self.unheard += granted;
            return allowance.failed(local);
        }
        let grant = Grant {
            day: NaiveDate::default(),
            granted,
            reserved: self.reserved,
            ends_in: Duration::from_hours(1),
        };
        allowance.granted(self.limit, local, &grant);
    }

    /// How many that asked were not let in though the limit was not reached.
    pub fn under(&self) -> u64 {
        self.asked.min(self.limit) - self.served
    }

    /// What a process that ends in order did not use.
    pub fn give_back(&mut self, process: &Process) {
        self.reserved -= Allowance::close(&process.allowance).map_or(0, |(_, left)| left);
    }
}
