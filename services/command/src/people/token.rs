//! Tokens that are told once and used once: to set the service up, to accept an invitation.

use std::fmt;

use domain::credential::CredentialHash;
use runtime::entropy::Entropy;
use runtime::files::hex;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// Random bytes of a token; its text has two hexadecimal digits for each.
const RANDOM_BYTES: usize = 32;

/// A token in clear text: cannot be printed, serialised or compared, wiped on drop.
pub struct OneTimeToken(Zeroizing<String>);

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be the 64 hexadecimal digits that you were given")]
pub struct InvalidToken;

impl OneTimeToken {
    pub(super) fn new(entropy: &Entropy) -> Self {
        let random = Zeroizing::new(entropy.bytes::<RANDOM_BYTES>());
        Self(Zeroizing::new(hex(&*random)))
    }

    /// One that somebody presents.
    ///
    /// # Errors
    /// `InvalidToken`
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 2 * RANDOM_BYTES && text.bytes().all(is_digit) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(InvalidToken)
        }
    }

    /// The clear text, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The link of an invitation, at this address without a slash at its end.
    pub fn accept_url(&self, base: &str) -> String {
        format!("{base}/invitations/accept?token={}", self.reveal())
    }

    /// What is stored and looked up. There are 256 random bits to guess, so no salt is needed.
    pub(super) fn hash(&self) -> CredentialHash {
        CredentialHash::from_bytes(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken(…)")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_is_read_back_and_not_printed() {
        let token = OneTimeToken::new(&Entropy::seeded(7));
        let read = OneTimeToken::parse(token.reveal()).unwrap();
        assert_eq!(read.hash(), token.hash());
        assert_eq!(format!("{token:?}"), "OneTimeToken(…)");
        for bad in [
            "",
            "x",
            &"0".repeat(63),
            &"A".repeat(64),
            &"g".repeat(64),
            &"0".repeat(65),
        ] {
            assert_eq!(OneTimeToken::parse(bad).unwrap_err(), InvalidToken);
        }
    }
}
