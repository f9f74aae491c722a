//! Every id, version and position is a type of its own, so that none can stand in another's place.
//!
//! The list of ids is alphabetical and append-only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::time::Timestamp;

/// A text that is not a UUID in lower- or upper-case hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a UUID of the form 8-4-4-4-12 hexadecimal digits")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to name this kind of thing.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for rows and the wire.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// A new UUID version 7 (RFC 9562) of the given instant and random bytes.
            pub fn generate(at: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid_v7(at, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hyphenated(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// A mark on the time axis of a project.
    AnnotationId,
    /// A set of creators, videos and other campaigns of one project.
    CampaignId,
    /// A followed account on a platform, within one project.
    CreatorId,
    /// One event on its way to a webhook.
    DeliveryId,
    /// One event of the log.
    EventId,
    /// What a creator is to reach in each day, week or month.
    GoalId,
    /// One run of a query-service process (revocation.md: incarnation).
    IncarnationId,
    /// An offer to join an org.
    InvitationId,
    /// An address that an org has invited; which one stands outside the log.
    InviteeId,
    /// An API key; public, unlike its secret and its hash.
    KeyId,
    /// The life of one log: a restored log has another (revocation.md: log epoch).
    LogEpoch,
    /// A customer: the boundary of all data and all decisions.
    OrgId,
    /// A project of an org.
    ProjectId,
    /// A person's sign-in.
    SessionId,
    /// A person; the name and address stand outside the log.
    UserId,
    /// A tracked video, within one project.
    VideoId,
    /// Where events of an org are sent.
    WebhookId,
    /// What signs the events that are sent to a webhook; the secret itself stands outside the log.
    WebhookSecretId,
}

fn uuid_v7(at: Timestamp, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(at.datetime().timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Accepts the hyphenated form only, in either case: what the contract calls a UUID.
fn parse_hyphenated(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != 36 {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Before the first.
            pub const ZERO: Self = Self(0);

            /// Wraps a bare number.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// The bare number.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The one `count` after this.
            #[must_use]
            pub const fn plus(self, count: u64) -> Self {
                Self(self.0 + count)
            }

            /// For a `bigint` column; positions stay far below 2^63.
            pub fn as_i64(self) -> i64 {
                i64::try_from(self.0).unwrap_or(i64::MAX)
            }

            /// From a `bigint` column; `None` if negative.
            pub fn try_from_i64(value: i64) -> Option<Self> {
                u64::try_from(value).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

counters! {
    /// Place of an event in the whole log: gapless, from 1; 0 is before the first.
    GlobalPosition,
    /// Number of events in one stream of an org, equally the version of its last event.
    StreamVersion,
    /// Number of leaves of the tree over the log, equally the position of its last event.
    TreeSize,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_id_is_version_7_and_ordered_by_time() {
        let early = Timestamp::parse("2026-01-05T05:37:52Z").unwrap();
        let late = Timestamp::parse("2026-01-05T05:37:53Z").unwrap();
        let first = KeyId::generate(early, [255; 10]);
        let second = KeyId::generate(late, [0; 10]);
        assert_eq!(first.as_uuid().get_version_num(), 7);
        assert!(first < second);
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = "0192f0c1-2b7e-7c00-8000-00000000abcd";
        assert_eq!(id.parse::<OrgId>().unwrap().to_string(), id);
        assert_eq!(id.to_uppercase().parse::<OrgId>().unwrap().to_string(), id);
        for bad in [
            "",
            "x",
            "0192f0c12b7e7c0080000000 0000abcd",
            &id.replace('-', ""),
        ] {
            assert_eq!(bad.parse::<OrgId>(), Err(InvalidId), "{bad}");
        }
    }
}
