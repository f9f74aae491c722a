//! Where a page begins, as an opaque text that only we can write (v1-contract.md 1.2).
//!
//! A cursor is base64url of one format byte, 16 bytes of MAC and the place as JSON. The MAC covers
//! org, route and filters too, so a cursor used elsewhere, altered or cut is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::OrgId;
use domain::limits::CURSOR_CHARS;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::ApiError;
use crate::input::issue::Issues;

const FORMAT: u8 = 1;
const MAC_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + MAC_BYTES;
/// Separates these MACs from any others made with the same key.
const DOMAIN: &[u8] = b"trackagoat cursor 1";

/// The secret under which cursors are written, and a former one that still opens them.
#[derive(Clone)]
pub struct Cursors {
    current: [u8; 32],
    previous: Option<[u8; 32]>,
}

/// What a cursor is bound to.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// The caller's org.
    pub org: OrgId,
    /// The route, its ids filled in: `/projects/0192.../inbox`.
    pub route: &'a str,
    /// [`crate::input::query::StrictQuery::filters`].
    pub filters: &'a str,
}

impl Cursors {
    /// With the secret in use and the one it replaced, if that may still be around.
    pub const fn new(current: [u8; 32], previous: Option<[u8; 32]>) -> Self {
        Self { current, previous }
    }

    /// Writes the place after which the next page begins: the sort key of the last item.
    pub fn write<P: Serialize>(&self, list: List<'_>, place: &P) -> Result<String, ApiError> {
        let payload = serde_json::to_vec(place).map_err(ApiError::internal)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&mac(&self.current, list, &payload));
        bytes.extend_from_slice(&payload);
        let cursor = URL_SAFE_NO_PAD.encode(bytes);
        if cursor.len() > CURSOR_CHARS {
            return Err(ApiError::internal("the place of a cursor is too long"));
        }
        Ok(cursor)
    }

    /// Opens a cursor of this very list; anything else is `invalid_query`.
    pub fn read<P: DeserializeOwned>(&self, list: List<'_>, cursor: &str) -> Result<P, ApiError> {
        self.open(list, cursor).ok_or_else(|| {
            ApiError::invalid_query(&Issues::one(
                "cursor",
                "not a cursor of this list: begin again without it",
            ))
        })
    }

    fn open<P: DeserializeOwned>(&self, list: List<'_>, cursor: &str) -> Option<P> {
        if cursor.len() > CURSOR_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (head, payload) = bytes.split_at_checked(HEAD_BYTES)?;
        let (format, given) = head.split_first()?;
        let mut keys = [Some(&self.current), self.previous.as_ref()].into_iter();
        let is_ours = keys
            .by_ref()
            .flatten()
            .any(|key| mac(key, list, payload).ct_eq(given).into());
        (*format == FORMAT && is_ours)
            .then(|| serde_json::from_slice(payload).ok())
            .flatten()
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors")
    }
}

fn mac(key: &[u8; 32], list: List<'_>, payload: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(DOMAIN);
    mac.update(list.org.as_uuid().as_bytes());
    // Lengths keep one part from running into the next.
    for part in [list.route.as_bytes(), list.filters.as_bytes(), payload] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    let digest = mac.finalize().into_bytes();
    std::array::from_fn(|index| digest[index])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    fn org(last: char) -> OrgId {
        format!("0192f0c1-2b7e-7c00-8000-00000000abc{last}")
            .parse()
            .unwrap()
    }

    fn list<'a>(route: &'a str, filters: &'a str) -> List<'a> {
        List {
            org: org('d'),
            route,
            filters,
        }
    }

    #[test]
    fn it_opens_only_where_it_was_written() {
        let cursors = Cursors::new([7; 32], None);
        let here = list("/creators", "platform=tiktok");
        let cursor = cursors.write(here, &(17_i64, "id")).unwrap();
        assert_eq!(
            cursors.read(here, &cursor).ok(),
            Some((17_i64, "id".to_owned()))
        );

        let elsewhere = [
            List {
                org: org('e'),
                ..here
            },
            list("/videos", "platform=tiktok"),
            list("/creators", ""),
            list("/creatorsplatform=", "tiktok"),
        ];
        for other in elsewhere {
            let error = cursors.read::<(i64, String)>(other, &cursor).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidQuery);
        }
    }

    #[test]
    fn the_former_secret_opens_and_a_forgotten_one_does_not() {
        let here = list("/creators", "");
        let old = Cursors::new([7; 32], None).write(here, &1_u8).unwrap();
        let both = Cursors::new([8; 32], Some([7; 32]));
        assert_eq!(both.read::<u8>(here, &old).ok(), Some(1));
        let new = both.write(here, &2_u8).unwrap();
        assert_eq!(both.read::<u8>(here, &new).ok(), Some(2));
        assert!(Cursors::new([8; 32], None).read::<u8>(here, &old).is_err());
    }

    #[test]
    fn a_place_too_long_for_a_cursor_is_a_fault_of_ours() {
        let cursors = Cursors::new([7; 32], None);
        let error = cursors.write(list("/x", ""), &"x".repeat(400)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InternalError);
        let longest = cursors.write(list("/x", ""), &"x".repeat(365)).unwrap();
        assert_eq!(longest.len(), 512);
    }

    proptest! {
        #[test]
        fn altered_and_invented_ones_are_refused(at in 0_usize..100, with in "[A-Za-z0-9_=-]", noise in ".{0,600}") {
            let cursors = Cursors::new([7; 32], None);
            let here = list("/creators", "");
            let cursor = cursors.write(here, &(i64::MAX, "0192f0c1-2b7e-7c00-8000-00000000abcd")).unwrap();
            let at = at % cursor.len();
            let mut altered = cursor.clone();
            altered.replace_range(at..=at, &with);
            if altered != cursor {
                prop_assert!(cursors.read::<(i64, String)>(here, &altered).is_err());
            }
            prop_assert!(cursors.read::<(i64, String)>(here, &cursor[..at]).is_err());
            prop_assert!(cursors.read::<(i64, String)>(here, &noise).is_err());
        }
    }
}
