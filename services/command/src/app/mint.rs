//! New credentials.

use domain::credential::{CredentialKind, CredentialSecret, RANDOM_BYTES};
use domain::ids::{KeyId, SessionId};
use domain::time::Timestamp;
use runtime::entropy::Entropy;
use zeroize::Zeroizing;

/// An id and a secret for a key that is about to be made.
#[derive(Debug)]
pub struct Minted {
    /// The key's id.
    pub key_id: KeyId,
    /// Its secret, to be told once.
    pub secret: CredentialSecret,
}

impl Minted {
    /// From the operating system's source.
    pub(super) fn new(now: Timestamp, entropy: &Entropy) -> Self {
        let random = Zeroizing::new(entropy.bytes::<RANDOM_BYTES>());
        Self {
            key_id: KeyId::generate(now, entropy.bytes()),
            secret: CredentialSecret::generate(CredentialKind::ApiKey, &random),
        }
    }
}

/// An id and a secret for a session that is about to be opened.
pub(super) fn session(now: Timestamp, entropy: &Entropy) -> (SessionId, CredentialSecret) {
    let random = Zeroizing::new(entropy.bytes::<RANDOM_BYTES>());
    let secret = CredentialSecret::generate(CredentialKind::Session, &random);
    (SessionId::generate(now, entropy.bytes()), secret)
}
