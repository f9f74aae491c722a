//! Who may call: the cache of credentials and its lease, revocation, the window and the day's
//! quota. The specification is `revocation.md`; [`core`] is its logic, everything else drives it.
//!
//! May depend on `domain`, `event-log` and `runtime`.
//!
//! Architecture invariant: this crate knows no route and no wire format. It does not know what a
//! request is for; services map its answers to theirs. `core` does no IO: it does not know that
//! Postgres, NATS, a cache library or an executor exists, and it reads no clock.
//!
//! Where to look: [`Gate::authorize`] answers every request, `follow` keeps a replica's cache
//! true, [`Coordinator::settle`] waits until a denial is in force everywhere.
#![warn(missing_docs)]

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("deliberate faults are for tests: no release may have them");

mod admission;
mod brake;
mod bus;
mod cache;
mod coordinator;
pub mod core;
mod drill;
mod follow;
mod gate;
mod hold;
mod lasting;
mod ledger;
mod limiter;
pub mod metrics;
mod presented;
mod reads;
mod store;
mod verifier;

pub use self::admission::{
    Admission, Denial, InsufficientScope, Policy, Principal, Rate, RateLimited, Standing,
};
pub use self::brake::Guess;
pub use self::coordinator::{
    Coordinator, CoordinatorConfig, CoordinatorParts, Receipt, SettleError,
};
pub use self::core::barrier::{Report, Settled, State};
pub use self::core::sweep::Denials;
pub use self::core::usage::Purpose;
pub use self::follow::ReplicaConfig;
pub use self::gate::{Gate, ReplicaParts};
pub use self::hold::Hold;
pub use self::lasting::{Lapse, Lasting};
pub use self::ledger::{
    Damaged, Erasure, Erasures, Ledger, LedgerAhead, LedgerError, Recorded, erasures_left,
    read_ledger,
};
pub use self::limiter::Limiter;
pub use self::store::{
    KEYS_AT_ONCE, KeyTerms, Person, Received, SessionPlace, StoreError, Used, UsedDay, UsedRoute,
    allow_lease, find_people, forget_former_life_in_tx, invited, keys, last_seen, orgs_of, people,
    received, remember_replayed, replayed, session_places, settled_at, used, used_by_org,
    used_days, used_routes, used_scopes,
};
pub use self::verifier::VerifyConfig;
