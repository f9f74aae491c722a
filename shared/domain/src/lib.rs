//! The rules of trackagoat as pure values and functions: ids, events, the state of an org,
//! what it may decide and how it evolves.
//!
//! May depend on: nothing of ours. Time, ids and random bytes come in as arguments.
//!
//! Architecture invariant: this crate knows no IO. It does not know that Postgres, NATS, HTTP or
//! a clock exists, so every rule can be run millions of times in seconds.
//!
//! Where to look: [`event`] lists everything that can happen, [`org`] decides and folds,
//! [`observation`] judges what ingest brings, [`plan`] and [`limits`] hold every bound a caller
//! can meet, [`credential`] the form of a key, [`cloud_event`] what leaves and how it is hashed,
//! [`merkle`] the tree over all of it, [`signed`] what is said of the tree under a signature,
//! [`webhook`] where events may be sent.
#![warn(missing_docs)]

pub mod cloud_event;
pub mod credential;
pub mod email;
pub mod event;
pub mod ids;
pub mod jcs;
pub mod limits;
pub mod merkle;
mod named;
pub mod observation;
pub mod org;
pub mod plan;
pub mod platform;
pub mod scope;
pub mod sealed;
pub mod signed;
pub mod text;
pub mod time;
pub mod webhook;
