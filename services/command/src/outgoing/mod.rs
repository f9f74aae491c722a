//! Requests that lead outside, for webhooks and for signing in elsewhere: every address is judged
//! before it is connected to, nothing that an answer says is followed, and TLS is ours.

mod client;
mod guard;
mod resolve;

pub(crate) use self::client::{client, same_host};
pub use self::guard::{Allowed, Authorities, Guard, NoCertificates, NotAllowed};
#[cfg(test)]
pub(crate) use self::resolve::GuardedResolver;
pub(crate) use self::resolve::{LeadsInside, LeadsNowhere};
pub use self::resolve::{Looking, Lookup, SystemLookup};
