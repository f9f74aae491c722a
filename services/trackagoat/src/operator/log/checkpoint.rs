//! `trackagoat log checkpoint`: the newest signed head of the log.

use clap::Args;
use event_log::ReadError;
use runtime::clock::Clock;
use runtime::entropy::Entropy;

use super::verify::connect;
use crate::operator::Target;
use crate::terminal::{remark, say_exactly};

/// Prints the newest signed head of the log, as a signed note.
#[derive(Debug, Args)]
pub struct Checkpoint {
    /// Print the public key instead, by which it is verified.
    #[arg(long)]
    public_key: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Connect(#[from] super::verify::VerifyError),
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error(
        "the log was never signed: give command services a key in TGA_LOG_SIGNING_KEY_FILE \
         (`trackagoat log new-signing-key` makes one)"
    )]
    None,
}

impl Checkpoint {
    /// Prints it.
    pub async fn run(
        &self,
        target: &Target,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), CheckpointError> {
        let place = target.place().map_err(super::verify::VerifyError::from)?;
        let log = connect(&place, clock, entropy).await?;
        let newest = log.newest_checkpoint().await?;
        let newest = newest.ok_or(CheckpointError::None)?;
        if self.public_key {
            say_exactly(format_args!("{}\n", newest.public_key));
        } else {
            say_exactly(&newest.note);
            remark(format_args!("signed {}", newest.signed_at));
        }
        Ok(())
    }
}
