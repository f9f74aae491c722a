//! The protocol of `revocation.md` as values, state machines and a few atomics.
//!
//! Nothing here waits, reads a clock or knows a server: times and messages come in, sends and
//! answers go out. The production drivers, the simulator and the model checker run this same code.
//!
//! What a request reads stands in [`entry`], [`registry`], [`lease`], [`window`] and [`quota`];
//! [`decision`] judges it, [`brake`] says whether
//! the primary may be asked, and [`hold`] when a refusal may be told. What the apply task does stands in [`replica`] and, for tombstones that nobody
//! needs any more, in [`collection`]; what the command
//! service waits for in [`barrier`], whom it stops waiting for in
//! [`silence`], what it settles in place of others in [`sweep`], and what it writes
//! into the ledger in place of others in [`copies`].

pub mod auth;
pub mod barrier;
pub mod brake;
pub mod clocks;
pub mod collection;
pub mod copies;
pub mod decision;
pub mod entry;
pub mod fleet;
pub mod follower;
pub mod gossip;
pub mod hold;
pub mod lease;
pub mod lookup;
pub mod mutant;
pub mod others;
pub mod quota;
pub mod registry;
pub mod replica;
#[cfg(test)]
pub(crate) mod samples;
pub mod silence;
pub mod stamp;
pub mod sweep;
mod sync;
pub mod trusted;
pub mod usage;
pub mod window;
