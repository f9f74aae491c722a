//! The form of a credential (v1-contract.md 3.1): `tga_` or `tgs_`, 56 random lower-case hex
//! characters and the CRC-32 of those; stored is only the SHA-256 of the whole string.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// Characters of a credential.
pub const CREDENTIAL_CHARS: usize = 68;
/// Random bytes of a credential.
pub const RANDOM_BYTES: usize = 28;

const PREFIX_CHARS: usize = 4;
const RANDOM_CHARS: usize = 2 * RANDOM_BYTES;

/// Whom a credential stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An org's program.
    ApiKey,
    /// A person in one org.
    Session,
}

impl CredentialKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "tga_",
            Self::Session => "tgs_",
        }
    }
}

/// A text that has not the form of a credential, or whose checksum is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a credential: wrong form or wrong checksum")]
pub struct Malformed;

/// SHA-256 of a credential: what is stored and looked up, never shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialHash([u8; 32]);

impl CredentialHash {
    /// Wraps the stored 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(…)")
    }
}

/// A credential in clear text: cannot be printed, serialised or compared, wiped on drop.
pub struct CredentialSecret {
    kind: CredentialKind,
    text: Zeroizing<String>,
}

impl CredentialSecret {
    /// A new one of 28 bytes from the operating system's source.
    pub fn generate(kind: CredentialKind, random: &[u8; RANDOM_BYTES]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(CREDENTIAL_CHARS));
        text.push_str(kind.prefix());
        push_hex(&mut text, random);
        let checksum = crc32fast::hash(&text.as_bytes()[PREFIX_CHARS..]);
        push_hex(&mut text, &checksum.to_be_bytes());
        Self { kind, text }
    }

    /// The clear text, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored.
    pub fn hash(&self) -> CredentialHash {
        digest(self.text.as_bytes())
    }

    /// What is shown ever after, for example `tga_01234567…7e5a`.
    pub fn prefix(&self) -> String {
        let text = &*self.text;
        format!(
            "{}…{}",
            &text[..PREFIX_CHARS + 8],
            &text[CREDENTIAL_CHARS - 4..]
        )
    }

    /// Whom it stands for.
    pub const fn kind(&self) -> CredentialKind {
        self.kind
    }
}

impl fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialSecret(…)")
    }
}

/// Checks form and checksum, and only then hashes: junk costs no SHA-256 and no look-up.
pub fn parse(text: &str) -> Result<(CredentialKind, CredentialHash), Malformed> {
    let bytes = text.as_bytes();
    if bytes.len() != CREDENTIAL_CHARS {
        return Err(Malformed);
    }
    let (prefix, digits) = bytes.split_at(PREFIX_CHARS);
    let kind = match prefix {
        b"tga_" => CredentialKind::ApiKey,
        b"tgs_" => CredentialKind::Session,
        _ => return Err(Malformed),
    };
    let mut stated = 0_u32;
    for (index, byte) in digits.iter().enumerate() {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return Err(Malformed),
        };
        if index >= RANDOM_CHARS {
            stated = stated << 4 | u32::from(value);
        }
    }
    if crc32fast::hash(&digits[..RANDOM_CHARS]) == stated {
        Ok((kind, digest(bytes)))
    } else {
        Err(Malformed)
    }
}

fn digest(bytes: &[u8]) -> CredentialHash {
    CredentialHash(Sha256::digest(bytes).into())
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        let mut text = String::new();
        push_hex(&mut text, bytes);
        text
    }

    #[test]
    fn the_published_examples_hash_as_published() {
        for (text, sha256) in [
            (
                "tga_0123456789abcdef0123456789abcdef0123456789abcdef012345671c637e5a",
                "2c12ebdf350ae4aa9b599c9809a1f7658bd9d3dc2703d6c420d03a58fac9ded9",
            ),
            (
                "tga_00000000000000000000000000000000000000000000000000000000cb612bfd",
                "904491360e8c35323faf29a20779a3253d4918aabde8436b4b056ff9a4d27ea2",
            ),
        ] {
            let (kind, hash) = parse(text).unwrap();
            assert_eq!(kind, CredentialKind::ApiKey);
            assert_eq!(hex(hash.as_bytes()), sha256);
        }
    }

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let secret = CredentialSecret::generate(CredentialKind::ApiKey, &[0xab; 28]);
        assert_eq!(
            format!("{secret:?} {:?}", secret.hash()),
            "CredentialSecret(…) CredentialHash(…)"
        );
        assert_eq!(secret.prefix().chars().count(), 17);
    }

    proptest! {
        #[test]
        fn every_generated_credential_parses_to_its_hash(random in any::<[u8; 28]>()) {
            for kind in [CredentialKind::ApiKey, CredentialKind::Session] {
                let secret = CredentialSecret::generate(kind, &random);
                prop_assert_eq!(parse(secret.reveal()), Ok((kind, secret.hash())));
            }
        }

        #[test]
        fn one_changed_character_is_noticed(random in any::<[u8; 28]>(), at in 0..68_usize, to in 32..127_u8) {
            let secret = CredentialSecret::generate(CredentialKind::ApiKey, &random);
            let mut changed = secret.reveal().as_bytes().to_vec();
            prop_assume!(changed[at] != to && !(at == 2 && to == b's'));
            changed[at] = to;
            prop_assert_eq!(parse(std::str::from_utf8(&changed).unwrap()), Err(Malformed));
        }
    }
}
