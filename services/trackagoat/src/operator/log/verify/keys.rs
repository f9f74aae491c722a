//! Public keys that were named.

use std::fs;
use std::path::PathBuf;

use domain::signed::{InvalidKey, VerifierKey};

/// Largest file of keys, in bytes.
const FILE_BYTES: u64 = 64 * 1024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("{0} is neither a public key nor a file that can be read")]
    Unreadable(String, #[source] std::io::Error),
    #[error("the file {0} is too large for public keys")]
    Large(PathBuf),
    #[error("{0} holds what is no public key")]
    Invalid(String, #[source] InvalidKey),
}

/// Keys, each given itself or in a file with one a line.
pub fn read(given: &[String]) -> Result<Vec<VerifierKey>, KeysError> {
    let mut keys = Vec::new();
    for one in given {
        if let Ok(key) = one.parse() {
            keys.push(key);
            continue;
        }
        let unreadable = |error| KeysError::Unreadable(one.clone(), error);
        if fs::metadata(one).map_err(unreadable)?.len() > FILE_BYTES {
            return Err(KeysError::Large(one.into()));
        }
        let text = fs::read_to_string(one).map_err(unreadable)?;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let key = line.parse();
            keys.push(key.map_err(|error| KeysError::Invalid(one.clone(), error))?);
        }
    }
    Ok(keys)
}
