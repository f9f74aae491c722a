//! Lives of the log that ended with a restore: what is known of them outside the database, and what is said of
//! them when a new one begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::ids::{LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::{NoteSigner, Restoration, VerifierKey};
use event_log::{
    CheckpointCopy, EventLog, FolderError, LogRestoration, ReadError, note_restoration_in_tx,
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
    /// How many heads were found that are not signed with the key.
    foreign: usize,
    /// Whether somebody vouches for what nothing signed says of restores.
    vouched: bool,
}

/// What is to be said as a life of the log begins.
#[derive(Debug)]
pub struct Plan {
    /// Of lives that ended, with the one that is about to begin, whose name is not known yet.
    lives: Vec<Restoration>,
    /// Of lives that ended before, as it was noted then.
    rows: Vec<Restoration>,
    /// Of the life that ends, where nothing shows how much of it the log has: noted, and signed by nobody.
    unsigned: Option<Restoration>,
    /// Whether signers can go on; else a warning says why not.
    pub can_be_signed: bool,
}

/// How many events the log has in common with a life.
enum Settled {
    /// A signed note says it, by way of another life.
    Told(TreeSize),
    Common(TreeSize),
    /// So many at least; that the rest is lost somebody vouches for.
    Vouched(TreeSize),
    Unknown,
}

/// How the log stands to what was signed of one life, as far as it reaches.
#[derive(Debug, Clone, Copy)]
enum Compared {
    /// It is that, up to this size, the largest.
    Same(TreeSize),
    /// It is that up to the first size, and not at the second.
    Other(TreeSize, TreeSize),
    /// All that was signed goes beyond it.
    Beyond,
    Failed,
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
    /// Whoever goes on would sign the history of another log, or with the key of one.
    #[error(
        "none of the {0} signed heads that were found outside the database is signed with this key under this log's \
         name: give those of the log (TGA_LOG_SIGNING_KEY_FILE, TGA_LOG_NAME), or, where they were replaced, run the \
         command once more with --vouch"
    )]
    OtherKey(usize),
}

impl Lives {
    /// What copies outside the database tell, as far as they can be had and the key signed them.
    pub async fn known(
        place: &Place,
        given: &SignerArgs,
        vouched: bool,
        clock: &Clock,
    ) -> Result<Self, LivesError> {
        let mut lives = Self {
            signer: signer(place, given)?,
            vouched,
            ..Self::default()
        };
        let named = given.checkpoint_dir.as_slice();
        for empty in copies::in_folders(place, named, |copy| lives.learn(&copy))? {
            remark(format_args!(
                "warning: nothing that was signed is in {}",
                empty.display()
            ));
        }
        let read = copies::on_stream(place, clock, |copy| lives.learn(&copy)).await;
        if let Err(why) = read {
            remark(format_args!(
                "warning: what was signed is not looked up on the stream of checkpoints: {why}"
            ));
        }
        if lives.heads.is_empty() && lives.foreign > 0 {
            if !vouched {
                return Err(LivesError::OtherKey(lives.foreign));
            }
            let foreign = lives.foreign;
            remark(format_args!(
                "vouched for: {foreign} heads outside the database are signed with another key, and the log is not \
                 compared with them"
            ));
        }
        Ok(lives)
    }

    fn learn(&mut self, copy: &CheckpointCopy) {
        let keys = self.keys();
        if copy.is_restoration() {
            self.notes.extend(copy.restoration(&keys));
        } else if let Ok(head) = copy.open(&keys) {
            let heads = self.heads.entry(head.epoch).or_default();
            heads.push((head.size, head.root));
        } else {
            self.foreign += 1;
        }
    }

    /// What is to be said of the life that ends with `begun`, and of all that were signed: how many events the log
    /// has in common with each.
    ///
    /// Nothing is taken from the database alone, whose events, epoch and notes may be those of somebody who changed
    /// them: each life is compared with the log, by its signed heads that the log is not too short for. They continue
    /// each other, so that where the largest agrees all do. A life that the log does not agree with counts as left
    /// behind only where a signed note says that it left another one, of which the log has more; else the log was
    /// changed, or services wrote to it after a restore, and somebody has to vouch for that.
    pub async fn plan(
        &self,
        log: &EventLog,
        begun: &Restoration,
        noted: &[LogRestoration],
    ) -> Plan {
        let trusted = self.signed(noted);
        let mut compared = BTreeMap::new();
        for (life, heads) in &self.heads {
            compared.insert(*life, compare(log, *life, heads, begun.size).await);
        }
        tell_of_unsigned(begun.size, &compared);
        let mut plan = self.of_lives(begun, &trusted, &compared);
        self.of_rows(begun, noted, trusted, &mut plan);
        plan
    }

    fn of_lives(
        &self,
        begun: &Restoration,
        trusted: &[Restoration],
        compared: &BTreeMap<LogEpoch, Compared>,
    ) -> Plan {
        let mut plan = Plan {
            lives: Vec::new(),
            rows: Vec::new(),
            unsigned: None,
            can_be_signed: true,
        };
        // As much as there is of the life that ends, unless what was signed of it says otherwise.
        let mut former = Some(begun.size);
        for (life, how) in compared {
            let is_former = *life == begun.former;
            let size = match self.settled(*life, begun, trusted, compared) {
                Settled::Told(_) if !is_former => continue,
                Settled::Told(size) | Settled::Common(size) => Some(size),
                Settled::Vouched(size) => {
                    remark(format_args!(
                        "vouched for: what was signed in the life {life} beyond its first {size} events is lost"
                    ));
                    Some(size)
                }
                Settled::Unknown => {
                    plan.can_be_signed = false;
                    warn(*life, how);
                    None
                }
            };
            if !is_former {
                let common = size.map(|size| self.of(begun, *life, size.min(begun.size)));
                plan.lives.extend(common);
            } else if !matches!(how, Compared::Same(_)) {
                former = size;
            }
        }
        let of_former = |size| self.of(begun, begun.former, size);
        match former {
            Some(size) => plan.lives.push(of_former(size)),
            None => plan.unsigned = Some(of_former(begun.size)),
        }
        plan
    }

    fn settled(
        &self,
        life: LogEpoch,
        begun: &Restoration,
        trusted: &[Restoration],
        compared: &BTreeMap<LogEpoch, Compared>,
    ) -> Settled {
        let from_to = |from, to| Restoration::common(trusted, from, to);
        let same = |life: LogEpoch| match compared[&life] {
            Compared::Same(size) => Some(size),
            _ => None,
        };
        let is_former = life == begun.former;
        // Whatever a note says, the log has to be what was signed so far.
        let is_so = |told: &TreeSize| match compared[&life] {
            Compared::Other(common, _) => !self.was_signed_within(life, common, *told),
            _ => true,
        };
        if !is_former && let Some(told) = from_to(life, begun.former).filter(is_so) {
            return Settled::Told(told);
        }
        let mut others = compared.keys().copied().filter(|other| *other != life);
        match compared[&life] {
            Compared::Same(size) => Settled::Common(size),
            Compared::Failed => Settled::Unknown,
            // Whichever life it went on from: nothing that only it has can be here.
            Compared::Beyond if is_former => Settled::Common(begun.size),
            Compared::Beyond => {
                let mut others = others.chain([begun.former]);
                let common = others.find_map(|from| from_to(from, life));
                common.map_or(Settled::Unknown, Settled::Common)
            }
            Compared::Other(common, _) => {
                // The log has more of the life that it left than it had when it left it.
                let left = others.clone().find_map(|from| {
                    let left = from_to(from, life)?;
                    same(from).filter(|size| left < *size).map(|_| left)
                });
                let leads_on = |to| Some(from_to(life, to)?.min(same(to)?)).filter(is_so);
                match (others.find_map(leads_on), left) {
                    (Some(told), _) => Settled::Told(told),
                    (None, Some(left)) => Settled::Common(left),
                    (None, None) if self.vouched => Settled::Vouched(common),
                    (None, None) => Settled::Unknown,
                }
            }
        }
    }

    /// Whether heads of this life are known of more than `above` events, and of `most` at most.
    fn was_signed_within(&self, life: LogEpoch, above: TreeSize, most: TreeSize) -> bool {
        let mut heads = self.heads.get(&life).into_iter().flatten();
        heads.any(|(size, _)| above < *size && *size <= most)
    }

    /// Adds what the database alone says of restores, if somebody vouches for it, and says what that is.
    fn of_rows(
        &self,
        begun: &Restoration,
        noted: &[LogRestoration],
        trusted: Vec<Restoration>,
        plan: &mut Plan,
    ) {
        let Some(signer) = &self.signer else {
            if !self.heads.is_empty() || was_signed(begun, noted) {
                plan.can_be_signed = false;
                remark(
                    "warning: the log's key is not at hand (TGA_LOG_SIGNING_KEY_FILE): nothing signed says that \
                     the log was restored. `log verify` doubts it and command services do not sign the log until \
                     `log restored` was run with the key",
                );
            }
            return;
        };
        let known: Vec<_> = trusted
            .into_iter()
            .chain(plan.lives.iter().cloned())
            .collect();
        let unsigned = unsigned_restorations(noted, &self.keys());
        // How a life ended of which nothing was signed nobody has to know.
        let is_needed = unsigned.iter().any(|said| {
            said.known > TreeSize::ZERO
                && Restoration::common(&known, said.former, begun.epoch).is_none()
        });
        if !is_needed {
            return;
        }
        for said in unsigned {
            tell_of_row(said, self.vouched);
            if self.vouched {
                plan.rows.push(Restoration {
                    origin: signer.name().clone(),
                    ..said.clone()
                });
            }
        }
        plan.can_be_signed &= self.vouched;
    }

    /// What is said of a life that has ended.
    fn of(&self, begun: &Restoration, life: LogEpoch, size: TreeSize) -> Restoration {
        let origin = self.signer.as_ref().map(|signer| signer.name().clone());
        let known = if life == begun.former {
            begun.known
        } else {
            TreeSize::ZERO
        };
        Restoration {
            origin: origin.unwrap_or_default(),
            former: life,
            size,
            known: known.max(self.largest(life)),
            ..begun.clone()
        }
    }

    /// Whatever says under the key how lives are related, inside the database and outside. Without a key nothing
    /// is signed that follows from it, and all is taken.
    fn signed(&self, noted: &[LogRestoration]) -> Vec<Restoration> {
        let keys = self.keys();
        let noted = noted.iter().filter_map(|one| {
            let signed = one.signed(&keys);
            signed.or_else(|| self.signer.is_none().then(|| one.said.clone()))
        });
        noted.chain(self.notes.iter().cloned()).collect()
    }

    fn keys(&self) -> Vec<VerifierKey> {
        self.signer.iter().map(|signer| signer.verifier()).collect()
    }

    fn largest(&self, life: LogEpoch) -> TreeSize {
        let heads = self.heads.get(&life).into_iter().flatten();
        heads.map(|(size, _)| *size).max().unwrap_or_default()
    }

    /// Says in the database what is planned, of the life `epoch` that begins.
    pub async fn note_in_tx(
        &self,
        connection: &mut PgConnection,
        epoch: LogEpoch,
        plan: Plan,
    ) -> Result<(), sqlx::Error> {
        let begun = |said: Restoration| Restoration { epoch, ..said };
        let signed = plan.lives.into_iter().map(begun).chain(plan.rows);
        let signed = signed.map(|said| (said, self.signer.as_deref()));
        let unsigned = plan.unsigned.map(|said| (begun(said), None));
        for (said, signer) in signed.chain(unsigned) {
            note_restoration_in_tx(&mut *connection, &said, signer).await?;
        }
        Ok(())
    }
}

async fn compare(
    log: &EventLog,
    life: LogEpoch,
    heads: &[(TreeSize, NodeHash)],
    log_size: TreeSize,
) -> Compared {
    let within = heads.iter().copied().filter(|(size, _)| *size <= log_size);
    let within: BTreeMap<_, _> = within.collect();
    let Some(largest) = within.keys().next_back().copied() else {
        return Compared::Beyond;
    };
    match common_size(log, &within).await {
        Ok(common) if common == largest => Compared::Same(largest),
        Ok(common) => Compared::Other(common, largest),
        Err(error) => {
            remark(format_args!(
                "warning: the log cannot be compared with what was signed in the life {life}: {}",
                chain(&error)
            ));
            Compared::Failed
        }
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

/// Says which events nothing outside the database is held against: this command may have written them, as it was run
/// before, or services since the restore.
fn tell_of_unsigned(log_size: TreeSize, compared: &BTreeMap<LogEpoch, Compared>) {
    let agreed = compared.values().filter_map(|how| match how {
        Compared::Same(size) | Compared::Other(size, _) => Some(*size),
        Compared::Beyond | Compared::Failed => None,
    });
    let Some(agreed) = agreed.max().filter(|agreed| *agreed < log_size) else {
        return;
    };
    let first = agreed.get() + 1;
    remark(format_args!(
        "events {first} to {log_size} agree with nothing that was signed. What an earlier run of this command made good \
         is among them, and what services wrote if they ran over the restored database: look at that \
         (`trackagoat log replay --from {first}`), since a key that was made by one that is revoked, for example, goes \
         on to be accepted until it is revoked too"
    ));
}

/// Says that the database alone tells of a restore, or that somebody vouches for that.
fn tell_of_row(said: &Restoration, is_vouched: bool) {
    let Restoration {
        former,
        size,
        epoch,
        at,
        ..
    } = said;
    let what = format_args!(
        "the life {former} of the log ended at {at} with a restore to its first {size} events, and {epoch} began"
    );
    if is_vouched {
        return remark(format_args!("vouched for: {what}"));
    }
    remark(format_args!(
        "warning: only the database says that {what}; whoever can write to it can say so. If you know of that \
         restore, run the command once more with --vouch: until then the log is not signed"
    ));
}

/// Says why signers cannot go on.
fn warn(life: LogEpoch, compared: &Compared) {
    match compared {
        Compared::Other(common, signed) => remark(format_args!(
            "warning: the log is not what was signed over its first {signed} events in the life {life}, but up to \
             {common}. It was changed, or something was written to it after a restore and before this command was \
             run with the key: by services, or by this command. Restore the backup once more, and run this with the \
             key before any service starts; or, if you know what was written, run it once more with --vouch: then \
             what was signed beyond {common} counts as lost. Until then the log is not signed, and `log verify` \
             does not end with 0"
        )),
        Compared::Beyond => remark(format_args!(
            "warning: all that was signed in the life {life} goes beyond this log, and nothing signed says where \
             that came from. It is not this log's, or this is a backup from before it was first signed: the log is \
             not signed. Restore a newer backup, or sign under another name (TGA_LOG_NAME)"
        )),
        // That was said as it failed.
        Compared::Failed | Compared::Same(_) => {}
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

#[cfg(test)]
mod tests;
