//! Lives of the log that ended with a restore: what is known of them outside the database, and what is said of
//! them when a new one begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::{LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::{NoteSigner, Restoration, VerifierKey};
use event_log::{
    CheckpointCopy, EventLog, FolderError, Head, LogRestoration, ReadError, note_restoration_in_tx,
    unsigned_restorations,
};
use runtime::clock::Clock;
use runtime::config::{SecretError, secret};
use runtime::telemetry::chain;
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
    /// What was signed of each.
    heads: BTreeMap<LogEpoch, Vec<(TreeSize, NodeHash)>>,
    notes: Vec<Restoration>,
    /// Whether somebody vouches for what nothing signed says of restores.
    vouched: bool,
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

    /// With somebody's word, or without, that the restores happened of which nothing signed says so.
    #[must_use]
    pub fn vouched(self, vouched: bool) -> Self {
        Self { vouched, ..self }
    }

    fn learn(&mut self, copy: &CheckpointCopy) {
        let keys = self.keys();
        if copy.is_restoration() {
            self.notes.extend(copy.restoration(&keys));
        } else if let Ok(head) = copy.open(&keys) {
            let heads = self.heads.entry(head.epoch).or_default();
            heads.push((head.size, head.root));
        }
    }

    /// Events that the log has in common with lives of which nothing says how they are related to its own, by what
    /// was signed of them: those under the largest head that the log is not too short for, if it has its root.
    /// Such heads continue each other, so that the smaller ones agree too. What the database itself keeps of them
    /// is not asked: whoever changes the log may take from that, and seem to have lost what they rewrote. If the log
    /// is another one there, it was changed, or went on after a restore: that somebody has to vouch for, and then it
    /// is the largest head that it does have.
    pub async fn common(
        &self,
        log: &EventLog,
        former: &Head,
        noted: &[LogRestoration],
    ) -> BTreeMap<LogEpoch, TreeSize> {
        let all = self.notes(noted);
        let (mut found, mut open) = (BTreeMap::new(), Vec::new());
        for (life, heads) in &self.heads {
            let is_told = |from, to| Restoration::common(&all, from, to).is_some();
            if is_told(*life, former.epoch) || is_told(former.epoch, *life) {
                continue;
            }
            let within = heads.iter().copied();
            let within = within.filter(|(size, _)| size.get() <= former.position.get());
            let within: BTreeMap<_, _> = within.collect();
            let Some(largest) = within.keys().next_back().copied() else {
                open.push((*life, TreeSize::ZERO, None));
                continue;
            };
            match common_size(log, &within).await {
                Ok(common) if common == largest => {
                    found.insert(*life, common);
                }
                Ok(common) => open.push((*life, common, Some(largest))),
                Err(error) => remark(format_args!(
                    "warning: the log cannot be compared with what was signed in the life {life}: {}",
                    chain(&error)
                )),
            }
        }
        for (life, common, largest) in open {
            let parted = found
                .iter()
                .find_map(|(from, size)| parted(&all, (*from, *size), life, largest.is_none()));
            match (parted, largest) {
                (Some(size), _) => {
                    found.insert(life, size);
                }
                (None, Some(_)) if self.vouched => {
                    found.insert(life, common);
                }
                (None, Some(largest)) => warn_of_other(life, common, largest),
                (None, None) => remark(format_args!(
                    "warning: all that was signed in the life {life} goes beyond this log: nothing is said of it"
                )),
            }
        }
        found
    }

    fn keys(&self) -> Vec<VerifierKey> {
        self.signer.iter().map(|signer| signer.verifier()).collect()
    }

    /// Whatever says how lives are related, inside the database and outside. What is to be signed follows from
    /// what is signed, or somebody vouches for: rows alone are what whoever can write the database wants.
    fn notes(&self, noted: &[LogRestoration]) -> Vec<Restoration> {
        let keys = self.keys();
        let is_taken = self.signer.is_none() || self.vouched;
        let noted = noted.iter().filter_map(|one| {
            let signed = one.signed(&keys);
            signed.or_else(|| is_taken.then(|| one.said.clone()))
        });
        noted.chain(self.notes.iter().cloned()).collect()
    }

    fn largest(&self, life: LogEpoch) -> TreeSize {
        let heads = self.heads.get(&life).into_iter().flatten();
        heads.map(|(size, _)| *size).max().unwrap_or_default()
    }

    /// Says in the database that a life which had so many events has ended with `begun`, and signs what was said
    /// under no signature before if somebody vouches for it.
    pub async fn note_in_tx(
        &self,
        connection: &mut PgConnection,
        begun: &Restoration,
        noted: &[LogRestoration],
        common: &BTreeMap<LogEpoch, TreeSize>,
    ) -> Result<(), ReadError> {
        let told = self.notes(noted);
        let mut said = self.said(begun, &told, common);
        if let Some(signer) = &self.signer {
            let mut unsigned = unsigned_restorations(noted, &self.keys());
            if self.vouched {
                let origin = signer.name();
                said.extend(unsigned.drain(..).map(|said| Restoration {
                    origin: origin.clone(),
                    ..said.clone()
                }));
            }
            let known: Vec<_> = told.into_iter().chain(said.iter().cloned()).collect();
            // Where nothing was signed nobody has to know how the life ended.
            unsigned.retain(|said| {
                said.known > TreeSize::ZERO
                    && Restoration::common(&known, said.former, begun.epoch).is_none()
            });
            unsigned.into_iter().for_each(warn_of_unsigned);
        } else if !self.heads.is_empty() || was_signed(begun, noted) {
            remark(
                "warning: the log's key is not at hand (TGA_LOG_SIGNING_KEY_FILE): nothing signed says that \
                 the log was restored. `log verify` doubts it and command services do not sign the log until \
                 `log restored` was run with the key",
            );
        }
        for said in said {
            note_restoration_in_tx(&mut *connection, &said, self.signer.as_deref()).await?;
        }
        Ok(())
    }

    /// What is to be said: of the life that ended, and of those that went on from it in a database that is gone.
    fn said(
        &self,
        begun: &Restoration,
        all: &[Restoration],
        found: &BTreeMap<LogEpoch, TreeSize>,
    ) -> Vec<Restoration> {
        let origin = self.signer.as_ref().map(|signer| signer.name().clone());
        let origin = origin.unwrap_or_default();
        let mut said = vec![Restoration {
            known: begun.known.max(self.largest(begun.former)),
            origin: origin.clone(),
            ..begun.clone()
        }];
        for life in self.heads.keys() {
            if Restoration::common(all, *life, begun.former).is_some() {
                continue;
            }
            // Nothing says how a life ended that services ended themselves, started over a restored database.
            let common = Restoration::common(all, begun.former, *life);
            let Some(common) = common.or_else(|| found.get(life).copied()) else {
                continue;
            };
            said.push(Restoration {
                former: *life,
                size: begun.size.min(common),
                known: self.largest(*life),
                origin: origin.clone(),
                ..begun.clone()
            });
        }
        said
    }
}

/// The largest size of these heads of one life at which the log has their root, or none of it. Where it has one, it has
/// those of all smaller ones.
async fn common_size(
    log: &EventLog,
    heads: &BTreeMap<TreeSize, NodeHash>,
) -> Result<TreeSize, ReadError> {
    let heads: Vec<_> = heads.iter().collect();
    let (mut agree, mut differ) = (0, heads.len());
    // The largest first: of a log that was not changed it is all that is asked.
    let mut at = heads.len().saturating_sub(1);
    while agree < differ {
        let (size, root) = heads[at];
        let edge = log.tree_edge(*size).await?;
        if edge.is_some_and(|edge| edge.root() == *root) {
            agree = at + 1;
        } else {
            differ = at;
        }
        at = agree.midpoint(differ);
    }
    let last = agree.checked_sub(1).map(|last| *heads[last].0);
    Ok(last.unwrap_or_default())
}

/// Where a life left another one, of which the log has so many events: of what it has beyond that, nothing is of the
/// life. If nothing of the life is within the log, how far both agree is known by that alone.
fn parted(
    all: &[Restoration],
    (from, size): (LogEpoch, TreeSize),
    life: LogEpoch,
    is_beyond: bool,
) -> Option<TreeSize> {
    let left = Restoration::common(all, from, life)?;
    (is_beyond || left < size).then(|| left.min(size))
}

/// Says that a restore is under no signature.
fn warn_of_unsigned(said: &Restoration) {
    let Restoration {
        former,
        size,
        epoch,
        at,
        ..
    } = said;
    remark(format_args!(
        "warning: only the database says that the life {former} of the log ended at {at} with a restore to its first \
         {size} events, and {epoch} began; whoever can write to it can say so. If you know of that restore, run the \
         command once more with --vouch: until then the log is not signed"
    ));
}

/// Says that the log is another one than was signed.
fn warn_of_other(life: LogEpoch, common: TreeSize, signed: TreeSize) {
    remark(format_args!(
        "warning: the log is not what was signed over its first {signed} events in the life {life}, but up to \
         {common}. It was changed, or services wrote to it between a restore and this command. Restore the \
         backup once more, and run this before any service starts; or, if you know that services wrote, run it \
         once more with --vouch: then what was signed beyond {common} counts as lost. Until then the log is not \
         signed, and `log verify` ends with 1"
    ));
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
