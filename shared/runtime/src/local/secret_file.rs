use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::SecretString;

use super::LocalError;
use super::account::Account;
use crate::entropy::Entropy;

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
    let password = entropy
        .bytes::<24>()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes all");
            text
        });
    write_private(file, password.as_bytes(), account)?;
    Ok(SecretString::from(password))
}

/// Writes a file that only the account can read, whole or not at all.
pub(super) fn write_private(
    file: &Path,
    content: &[u8],
    account: &Account,
) -> Result<(), LocalError> {
    let fresh = file.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let mut handle = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(LocalError::io("make", &fresh))?;
    handle
        .write_all(content)
        .and_then(|()| handle.sync_all())
        .map_err(LocalError::io("write", &fresh))?;
    account.own(&fresh)?;
    fs::rename(&fresh, file).map_err(LocalError::io("put in place", file))
}
