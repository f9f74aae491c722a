//! Lives of the log that ended with a restore: what is known of them outside the database, and what is said of
//! them when a new one begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::{LogEpoch, TreeSize};
use domain::signed::{NoteSigner, Restoration};
use event_log::{
    CheckpointCopy, EventLog, FolderError, LogRestoration, ReadError, note_restoration_in_tx,
    sign_restorations_in_tx,
};
use runtime::clock::Clock;
use runtime::config::{SecretError, secret};
use sqlx::PgConnection;

use super::copies;
use crate::arguments::{LogSigningKey, SecretArgument, SignerArgs, SigningKeyError};
use crate::operator::{ConnectError, Place};
use crate::terminal::remark;

/// What is known of all lives.
#[derive(Debug, Default)]
pub struct Lives {
    /// By what is signed; none: no key is at hand.
    signer: Option<Arc<NoteSigner>>,
    /// The largest signed size of each.
    largest: BTreeMap<LogEpoch, TreeSize>,
    notes: Vec<Restoration>,
}

/// Why it cannot be known.
#[derive(Debug, thiserror::Error)]
pub enum LivesError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl Lives {
    /// What copies outside the database tell, as far as they can be had and the key signed them.
    pub async fn known(
        place: &Place,
        given: &SignerArgs,
        clock: &Clock,
    ) -> Result<Self, LivesError> {
        let mut lives = Self {
            signer: signer(place, given)?,
            ..Self::default()
        };
        let named = given.checkpoint_dir.as_slice();
        copies::in_folders(place, named, |copy| lives.learn(&copy))?;
        let read = copies::on_stream(place, clock, |copy| lives.learn(&copy)).await;
        if let Err(why) = read {
            remark(format_args!(
                "warning: what was signed is not looked up on the stream of checkpoints: {why}"
            ));
        }
        Ok(lives)
    }

    fn learn(&mut self, copy: &CheckpointCopy) {
        let keys: Vec<_> = self.signer.iter().map(|signer| signer.verifier()).collect();
        if copy.is_restoration() {
            self.notes.extend(copy.restoration(&keys));
        } else if let Ok(head) = copy.open(&keys) {
            let largest = self.largest.entry(head.epoch).or_default();
            *largest = head.size.max(*largest);
        }
    }

    /// How much of each life that was signed the log still has by the heads it keeps.
    pub async fn kept(&self, log: &EventLog) -> Result<BTreeMap<LogEpoch, TreeSize>, ReadError> {
        let Some(signer) = &self.signer else {
            return Ok(BTreeMap::new());
        };
        let keys = [signer.verifier()];
        let mut kept = BTreeMap::new();
        for life in self.largest.keys() {
            if let Some(size) = log.common_with(*life, &keys).await? {
                kept.insert(*life, size);
            }
        }
        Ok(kept)
    }

    /// Says in the database that a life which had so many events has ended with `begun`, and signs what was said
    /// without a key before.
    pub async fn note_in_tx(
        &self,
        connection: &mut PgConnection,
        begun: &Restoration,
        noted: Vec<LogRestoration>,
        kept: &BTreeMap<LogEpoch, TreeSize>,
    ) -> Result<(), ReadError> {
        if let Some(signer) = &self.signer {
            sign_restorations_in_tx(&mut *connection, signer).await?;
        } else if !self.largest.is_empty() || was_signed(begun, &noted) {
            remark(
                "warning: the log's key is not at hand (TGA_LOG_SIGNING_KEY_FILE): nothing signed says that \
                 the log was restored. `log verify` doubts it and command services do not sign the log until \
                 `log restored` was run with the key",
            );
        }
        let all: Vec<_> = noted.into_iter().map(|one| one.said).collect();
        let all = [&all[..], &self.notes].concat();
        for said in self.said(begun, &all, kept) {
            note_restoration_in_tx(&mut *connection, &said, self.signer.as_deref()).await?;
        }
        Ok(())
    }

    /// What is to be said: of the life that ended, and of those that went on from it in a database that is gone.
    fn said(
        &self,
        begun: &Restoration,
        all: &[Restoration],
        kept: &BTreeMap<LogEpoch, TreeSize>,
    ) -> Vec<Restoration> {
        let origin = self.signer.as_ref().map(|signer| signer.name().clone());
        let origin = origin.unwrap_or_default();
        let known = |life| self.largest.get(&life).copied().unwrap_or_default();
        let mut said = vec![Restoration {
            known: begun.known.max(known(begun.former)),
            origin: origin.clone(),
            ..begun.clone()
        }];
        for (life, largest) in &self.largest {
            if Restoration::common(all, *life, begun.former).is_some() {
                continue;
            }
            // Nothing says how a life ended that services ended themselves, started over a restored database.
            let common = Restoration::common(all, begun.former, *life);
            let Some(common) = common.or_else(|| kept.get(life).copied()) else {
                remark(format_args!(
                    "warning: heads of the life {life} of the log were signed, and nothing says how that is \
                     related to this log: nothing is said of it"
                ));
                continue;
            };
            said.push(Restoration {
                former: *life,
                size: begun.size.min(common),
                known: *largest,
                origin: origin.clone(),
                ..begun.clone()
            });
        }
        said
    }
}

/// Whether the life that ended, or one before it, is known in the database to have been signed.
fn was_signed(begun: &Restoration, noted: &[LogRestoration]) -> bool {
    let mut said = noted.iter().map(|one| &one.said).chain([begun]);
    said.any(|said| said.known > TreeSize::ZERO)
}

/// With the key that was given, else that of a running `dev`.
fn signer(place: &Place, given: &SignerArgs) -> Result<Option<Arc<NoteSigner>>, LivesError> {
    if let Some(config) = given.config()? {
        return Ok(Some(config.key));
    }
    let Some(file) = &place.signing_key_file else {
        return Ok(None);
    };
    let text = secret(LogSigningKey::VARIABLE, None, Some(file))?;
    Ok(Some(given.config_with(&text)?.key))
}
