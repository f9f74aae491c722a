//! Secrets of the configuration: a value, or a file that holds it.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;

/// Why a secret cannot be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Neither the value nor a file was given.
    #[error("{name} is not set: give it, or a file that holds it in {name}_FILE")]
    Missing {
        /// The environment variable.
        name: &'static str,
    },
    /// The value and a file were given.
    #[error("{name} and {name}_FILE are both set: give one")]
    Twice {
        /// The environment variable.
        name: &'static str,
    },
    /// The file cannot be read.
    #[error("the file {path} of {name}_FILE cannot be read")]
    File {
        /// The environment variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds nothing.
    #[error("the file {path} of {name}_FILE is empty")]
    Empty {
        /// The environment variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
}

/// Takes a secret from its value or its file, of which one must be given; `None` if neither is.
///
/// # Errors
/// If both are given, or the file holds none.
pub fn optional_secret(
    name: &'static str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, SecretError> {
    match (value, file) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(SecretError::Twice { name }),
        (Some(value), None) => Ok(Some(SecretString::from(value))),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|source| SecretError::File {
                name,
                path: path.to_owned(),
                source,
            })?;
            let text = text.trim();
            if text.is_empty() {
                let path = path.to_owned();
                return Err(SecretError::Empty { name, path });
            }
            Ok(Some(SecretString::from(text)))
        }
    }
}

/// As [`optional_secret`], where there must be one.
///
/// # Errors
/// Also if neither is given.
pub fn secret(
    name: &'static str,
    value: Option<&str>,
    file: Option<&Path>,
) -> Result<SecretString, SecretError> {
    optional_secret(name, value, file)?.ok_or(SecretError::Missing { name })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_comes_from_one_place_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret\n").unwrap();
        let from = |value, file: Option<&Path>| secret("TGA_X", value, file);
        assert_eq!(from(Some("a"), None).unwrap().expose_secret(), "a");
        assert_eq!(from(None, Some(&path)).unwrap().expose_secret(), "s3cret");
        assert!(matches!(from(None, None), Err(SecretError::Missing { .. })));
        assert!(matches!(
            from(Some("a"), Some(&path)),
            Err(SecretError::Twice { .. })
        ));
        std::fs::write(&path, " ").unwrap();
        assert!(matches!(
            from(None, Some(&path)),
            Err(SecretError::Empty { .. })
        ));
        let missing = folder.path().join("none");
        let error = from(None, Some(&missing)).unwrap_err().to_string();
        assert!(error.contains("TGA_X_FILE"), "{error}");
    }
}
