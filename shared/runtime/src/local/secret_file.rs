use std::fs;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::LocalError;
use super::account::Account;
use crate::entropy::Entropy;
use crate::files;

/// The password kept in `file`, made on first use; readable by the account alone.
pub(super) fn password(
    file: &Path,
    account: &Account,
    entropy: &Entropy,
) -> Result<SecretString, LocalError> {
    kept(file, files::hex(&entropy.bytes::<24>()).into(), account)
}

/// The secret kept in `file`, which is `made` on first use; readable by the account alone.
pub(super) fn kept(
    file: &Path,
    made: SecretString,
    account: &Account,
) -> Result<SecretString, LocalError> {
    if let Ok(secret) = fs::read_to_string(file)
        && !secret.is_empty()
    {
        return Ok(SecretString::from(secret));
    }
    write_private(file, made.expose_secret().as_bytes(), account)?;
    Ok(made)
}

/// Writes a file that only the account can read, whole or not at all.
pub(super) fn write_private(
    file: &Path,
    content: &[u8],
    account: &Account,
) -> Result<(), LocalError> {
    files::write_private(file, content).map_err(LocalError::io("write", file))?;
    account.own(file)
}
