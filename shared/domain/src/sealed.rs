//! Personal data in events is ciphertext under a key per subject, kept outside the log; destroying
//! the key erases the data while the hash chain stays valid (design.md, the log).
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a synthetic nonce, HMAC-SHA-256 of field and
//! plaintext: equal text of one subject and field seals to equal ciphertext, so "nothing changed"
//! can be seen without opening, and a nonce never meets two texts.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

const FORMAT: &str = "s1.";
const NONCE_BYTES: usize = 24;

/// A ciphertext that this key does not open, or that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sealed text cannot be opened with this subject's key")]
pub struct CannotOpen;

/// The key of one subject (a creator, a comment): 32 random bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SubjectKey([u8; 32]);

/// A sealed text, as it stands in an event: `s1.` and base64url of nonce and ciphertext.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// The sealed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(…)")
    }
}

impl SubjectKey {
    /// Wraps 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the row that keeps them.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals one field's text.
    pub fn seal(&self, field: &str, plaintext: &str) -> Sealed {
        let nonce = self.nonce(field, plaintext);
        let payload = Payload {
            msg: plaintext.as_bytes(),
            aad: field.as_bytes(),
        };
        let ciphertext = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("texts are far below the cipher's 256 GiB");
        let mut bytes = Vec::with_capacity(NONCE_BYTES + ciphertext.len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        Sealed(format!("{FORMAT}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what was sealed for the same field.
    pub fn open(&self, field: &str, sealed: &Sealed) -> Result<String, CannotOpen> {
        let encoded = sealed.0.strip_prefix(FORMAT).ok_or(CannotOpen)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| CannotOpen)?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(CannotOpen)?;
        let payload = Payload {
            msg: ciphertext,
            aad: field.as_bytes(),
        };
        let plaintext = self
            .cipher()
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| CannotOpen)?;
        String::from_utf8(plaintext).map_err(|_| CannotOpen)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.derive(b"encrypt", "", "")))
    }

    fn nonce(&self, field: &str, plaintext: &str) -> [u8; NONCE_BYTES] {
        let digest = self.derive(b"nonce", field, plaintext);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&digest[..NONCE_BYTES]);
        nonce
    }

    fn derive(&self, purpose: &[u8], field: &str, text: &str) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .expect("HMAC takes keys of any length");
        for part in [purpose, field.as_bytes(), text.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn opens_with_its_own_key_and_field_only(key in any::<[u8; 32]>(), text in ".{0,60}") {
            let subject = SubjectKey::from_bytes(key);
            let sealed = subject.seal("display_name", &text);
            prop_assert_eq!(subject.open("display_name", &sealed), Ok(text.clone()));
            prop_assert_eq!(subject.open("avatar_url", &sealed), Err(CannotOpen));
            prop_assert_eq!(subject.seal("display_name", &text), sealed.clone());
            let mut other = key;
            other[0] ^= 1;
            prop_assert_eq!(SubjectKey::from_bytes(other).open("display_name", &sealed), Err(CannotOpen));
        }
    }

    #[test]
    fn what_is_no_ciphertext_does_not_open() {
        let key = SubjectKey::from_bytes([7; 32]);
        for text in ["", "s1.", "s1.####", "s1.AAAA", "plain"] {
            assert_eq!(key.open("f", &Sealed(text.to_owned())), Err(CannotOpen));
        }
    }
}
