//! The gate on real servers: two and more replicas, a coordinator, Postgres, NATS, and faults.
#![expect(clippy::unwrap_used, reason = "tests")]

mod brake;
mod changes;
mod collect;
mod counters;
mod faults;
mod forgery;
mod hold;
mod lasting;
mod ledger;
mod letters;
mod quota;
mod support;
mod sweep;
mod usage;
mod verify;
mod window;
