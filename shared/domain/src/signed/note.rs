//! Signed notes (c2sp.org/signed-note): a text, an empty line, and a line for each signature.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of the seed that a signing key is made of.
pub const SEED_BYTES: usize = 32;
/// Longest note that is read, in bytes.
pub const NOTE_BYTES: usize = 16 * 1024;
/// Most signatures of a note that is read.
pub const SIGNATURES_MAX: usize = 16;
/// Longest name of a log, in bytes.
const NAME_BYTES: usize = 64;
/// Ed25519; stable.
const ALGORITHM: u8 = 1;
const KEY_ID_BYTES: usize = 4;
/// What stands before a signature.
const DASH: &str = "\u{2014} ";

/// A text that cannot name a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a log's name is 1 to {NAME_BYTES} visible ASCII characters without +")]
pub struct InvalidLogName;

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a public key of the form name+8 hexadecimal digits+base64")]
pub struct InvalidKey;

/// No signature of the note is of a key at hand, or the note is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotVerified {
    /// It is no signed note.
    #[error("not a signed note")]
    Form,
    /// Who signed it is not known here.
    #[error(
        "the note is signed with none of the given keys: are they this log's (`log checkpoint --public-key`)?"
    )]
    UnknownKey,
    /// It was changed, or signed with another key of the same name and id.
    #[error("the signature of {0} is wrong")]
    Wrong(LogName),
}

/// The name of a log, equally of the key that signs for it and the origin of its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogName(String);

impl LogName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogName {
    fn default() -> Self {
        Self("trackagoat".to_owned())
    }
}

impl FromStr for LogName {
    type Err = InvalidLogName;

    fn from_str(text: &str) -> Result<Self, InvalidLogName> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(is_plain) {
            return Err(InvalidLogName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Signs for a log. Its key is wiped when it is dropped.
pub struct NoteSigner {
    name: LogName,
    key: SigningKey,
}

impl NoteSigner {
    /// A signer with the key that this seed makes.
    pub fn new(name: LogName, seed: &Zeroizing<[u8; SEED_BYTES]>) -> Self {
        Self {
            name,
            key: SigningKey::from_bytes(seed),
        }
    }

    /// By what others know its signatures.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The name it signs for.
    pub const fn name(&self) -> &LogName {
        &self.name
    }

    /// The note of a text, which must end with a line break and have no empty line.
    pub fn sign(&self, text: &str) -> String {
        debug_assert!(text.ends_with('\n') && !text.contains("\n\n"));
        let signature = self.key.sign(text.as_bytes());
        let signed = [&self.verifier().id()[..], &signature.to_bytes()].concat();
        format!("{text}\n{DASH}{} {}\n", self.name, STANDARD.encode(signed))
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoteSigner(…)")
    }
}

/// A public key with its name, written `name+id+base64`, which tools for signed notes take as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: LogName,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Whose it is.
    pub const fn name(&self) -> &LogName {
        &self.name
    }

    /// What names the key in a signature.
    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_str());
        hash.update([b'\n', ALGORITHM]);
        hash.update(self.key.as_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = STANDARD.encode([&[ALGORITHM], &self.key.as_bytes()[..]].concat());
        write!(f, "{}+{id:08x}+{key}", self.name)
    }
}

impl FromStr for VerifierKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut parts = text.splitn(3, '+');
        let mut next = || parts.next().ok_or(InvalidKey);
        let (name, id, key) = (next()?, next()?, next()?);
        let key = STANDARD.decode(key).map_err(|_| InvalidKey)?;
        let key: [u8; 32] = match key.split_first() {
            Some((&ALGORITHM, key)) => key.try_into().map_err(|_| InvalidKey)?,
            _ => return Err(InvalidKey),
        };
        let key = Self {
            name: name.parse().map_err(|_| InvalidKey)?,
            key: VerifyingKey::from_bytes(&key).map_err(|_| InvalidKey)?,
        };
        // The id guards against a mistyped name or key.
        if format!("{:08x}", u32::from_be_bytes(key.id())) != id {
            return Err(InvalidKey);
        }
        Ok(key)
    }
}

/// The text of a note that one of the keys has signed, and which. A wrong signature under a key at hand
/// is an error, whatever else signed it; signatures of others are passed over.
///
/// # Errors
/// [`NotVerified`].
pub fn opened<'a, 'k>(
    note: &'a str,
    keys: &'k [VerifierKey],
) -> Result<(&'a str, &'k VerifierKey), NotVerified> {
    if note.len() > NOTE_BYTES {
        return Err(NotVerified::Form);
    }
    let (before, signatures) = note.rsplit_once("\n\n").ok_or(NotVerified::Form)?;
    let text = &note[..=before.len()];
    let lines = signatures.strip_suffix('\n').ok_or(NotVerified::Form)?;
    let mut signer = None;
    for (n, line) in lines.split('\n').enumerate() {
        let (name, base64) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .ok_or(NotVerified::Form)?;
        let bytes = STANDARD.decode(base64).map_err(|_| NotVerified::Form)?;
        if n >= SIGNATURES_MAX || bytes.len() <= KEY_ID_BYTES {
            return Err(NotVerified::Form);
        }
        let (id, signature) = bytes.split_at(KEY_ID_BYTES);
        let of = |key: &&VerifierKey| key.name.as_str() == name && key.id() == id;
        let Some(key) = keys.iter().find(of) else {
            continue;
        };
        let wrong = |_| NotVerified::Wrong(key.name.clone());
        let signature = Signature::from_slice(signature).map_err(wrong)?;
        let verified = key.key.verify_strict(text.as_bytes(), &signature);
        verified.map_err(wrong)?;
        signer = signer.or(Some(key));
    }
    Ok((text, signer.ok_or(NotVerified::UnknownKey)?))
}
