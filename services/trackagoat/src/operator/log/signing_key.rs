//! `trackagoat log new-signing-key`: a key for signing the log.

use std::path::PathBuf;

use clap::Args;
use domain::signed::{NoteSigner, SEED_BYTES};
use runtime::entropy::Entropy;
use runtime::files;
use zeroize::Zeroizing;

use crate::arguments::LogNameArgs;
use crate::terminal::{remark, say};

/// Makes a key for TGA_LOG_SIGNING_KEY_FILE, and prints the public key with which everybody can verify
/// what is signed with it.
#[derive(Debug, Args)]
pub struct NewSigningKey {
    /// Write the key here, readable by its owner only; without it the key itself is printed, and its
    /// public key beside the output.
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    name: LogNameArgs,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum NewSigningKeyError {
    #[error(
        "the file {0} is there already: name another, and keep this one while anything is signed with it"
    )]
    There(PathBuf),
    #[error("the file {path} cannot be written")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl NewSigningKey {
    /// Makes and prints it.
    pub fn run(&self, entropy: &Entropy) -> Result<(), NewSigningKeyError> {
        let seed: Zeroizing<[u8; SEED_BYTES]> = Zeroizing::new(entropy.bytes());
        let public = NoteSigner::new(self.name.log_name.clone(), &seed).verifier();
        let digits = Zeroizing::new(files::hex(seed.as_slice()));
        let Some(path) = &self.file else {
            say(digits.as_str());
            remark(format_args!("public key: {public}"));
            return Ok(());
        };
        if path.exists() {
            return Err(NewSigningKeyError::There(path.clone()));
        }
        let written = files::write_private(path, digits.as_bytes());
        written.map_err(|source| NewSigningKeyError::File {
            path: path.clone(),
            source,
        })?;
        say(public);
        Ok(())
    }
}
