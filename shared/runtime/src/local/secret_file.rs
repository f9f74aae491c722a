use std::fs;
use std::path::Path;

use secrecy::SecretString;

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
    if let Ok(password) = fs::read_to_string(file)
        && !password.is_empty()
    {
        return Ok(SecretString::from(password));
    }
    let password = files::hex(&entropy.bytes::<24>());
    write_private(file, password.as_bytes(), account)?;
    Ok(SecretString::from(password))
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
