//! The protocol of `revocation.md` as values, state machines and a few atomics.
//!
//! Nothing here waits, reads a clock or knows a server: times and messages come in, sends and
//! answers go out. The production drivers, the simulator and the model checker run this same code.
//!
//! What a request reads stands in [`entry`], [`registry`], [`lease`], [`window`] and [`quota`];
//! [`decision`] judges it. What the apply task does stands in [`replica`], what the command
//! service waits for in [`barrier`], and whom it stops waiting for in [`silence`].

pub mod auth;
pub mod barrier;
pub mod clocks;
pub mod decision;
pub mod entry;
pub mod lease;
pub mod quota;
pub mod registry;
pub mod replica;
pub mod silence;
pub mod stamp;
pub mod usage;
pub mod window;
