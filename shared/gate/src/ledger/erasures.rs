//! Erasures: what must stay unreadable when a backup from before is restored. Ids alone stand here,
//! of what nothing else knows any more.
//!
//! One file for each erasure. It is begun in one line or more before anything is destroyed, and one
//! line says when all of it is: without that line nobody knows how far it came, so a restore does
//! it again, but no service stays closed for it.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ids::{CreatorId, InviteeId, OrgId, UserId};
use domain::time::Timestamp;
use event_log::EventLog;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::read::{LedgerAhead, Unreadable, ends, failed};
use super::{ERASURES, LedgerError, create};
use crate::store::{known_invitees, known_people};

/// Subjects of one line, and of one question.
const SUBJECTS: usize = 1_000;
/// Erasures that are compared with the database, those that came last.
const COMPARED_FILES: usize = 256;
/// Bytes of each that are read for that; the last line has about 300.
const COMPARED_BYTES: u64 = 4_096;

/// Who or what was erased, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Erasure {
    /// A person: what is known of them beside their id.
    Person {
        /// Who.
        user_id: UserId,
        /// Keys that they owned were kept without an owner, not revoked.
        keeps_keys: bool,
        /// What orgs knew their address by: a backup may be older than the person.
        invitees: Vec<InviteeId>,
    },
    /// A creator, with comments under its videos.
    Creator {
        /// Whose it was.
        org_id: OrgId,
        /// Which one.
        creator_id: CreatorId,
        /// Whose keys were destroyed: comments, and the creator itself.
        subjects: Vec<Uuid>,
    },
}

/// Where one erasure is recorded.
#[derive(Debug, Clone)]
pub struct Erasures {
    path: PathBuf,
}

/// What a line says. Stable.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Step {
    /// This will be destroyed.
    Begun { at: Timestamp, erasure: Erasure },
    /// All that was begun in this file is. Of a creator's subjects one is named.
    Done { at: Timestamp, erasure: Erasure },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Of the step, as it stands there.
    sha256: String,
    step: Box<RawValue>,
}

impl Erasures {
    /// In a file of this name in a ledger's folder, made with the first line.
    pub fn new(folder: &Path, name: &str) -> Self {
        let path = folder.join(name).with_extension(ERASURES);
        Self { path }
    }

    /// Records what is about to be destroyed; it is durable when this returns.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be written: nothing should be destroyed then.
    pub async fn begin(&self, at: Timestamp, erasure: &Erasure) -> Result<(), LedgerError> {
        let parts = erasure.clone().in_parts().into_iter();
        let steps = parts.map(|erasure| Step::Begun { at, erasure });
        self.write(steps.collect()).await
    }

    /// Records that it was destroyed: a database that has it again was restored.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be written: services that are started after a restore do not
    /// notice then.
    pub async fn finish(&self, at: Timestamp, erasure: &Erasure) -> Result<(), LedgerError> {
        let erasure = erasure.clone().witness();
        self.write(vec![Step::Done { at, erasure }]).await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<(), LedgerError> {
        let mut lines = Vec::new();
        for step in &steps {
            let step = serde_json::value::to_raw_value(step).expect("ids and times are JSON");
            let sha256 = digest(&step);
            serde_json::to_writer(&mut lines, &Line { sha256, step }).expect("JSON is JSON");
            lines.push(b'\n');
        }
        let path = self.path.clone();
        let written = spawn_blocking(move || {
            let mut file = create(&path)?;
            file.write_all(&lines)?;
            file.sync_data()
        });
        let written = written.await.map_err(io::Error::other).flatten();
        written.map_err(|source| LedgerError {
            path: self.path.clone(),
            what: "written",
            source,
        })
    }
}

impl Step {
    /// What was begun, if this says so.
    pub(super) fn begun(self) -> Option<Erasure> {
        match self {
            Self::Begun { erasure, .. } => Some(erasure),
            Self::Done { .. } => None,
        }
    }

    fn done(self) -> Option<Erasure> {
        match self {
            Self::Done { erasure, .. } => Some(erasure),
            Self::Begun { .. } => None,
        }
    }
}

impl Erasure {
    /// Each fits a line.
    fn in_parts(self) -> Vec<Self> {
        match self {
            person @ Self::Person { .. } => vec![person],
            Self::Creator {
                org_id,
                creator_id,
                subjects,
            } => {
                let parts = subjects.chunks(SUBJECTS).map(|some| Self::Creator {
                    org_id,
                    creator_id,
                    subjects: some.to_vec(),
                });
                parts.collect()
            }
        }
    }

    /// What is looked for in place of all of it. The first subject: whatever else an earlier erasure
    /// of the same creator has taken, what it has not stands before that.
    fn witness(mut self) -> Self {
        match &mut self {
            Self::Person { invitees, .. } => invitees.clear(),
            Self::Creator { subjects, .. } => subjects.truncate(1),
        }
        self
    }

    /// Whether something of it can be read, or is not kept from ever being read.
    async fn is_left(&self, log: &EventLog, primary: &PgPool) -> Result<bool, LedgerAhead> {
        match self {
            Self::Person {
                user_id, invitees, ..
            } => {
                let is_known = !known_people(primary, &[*user_id]).await?.is_empty();
                Ok(is_known || !known_invitees(primary, invitees).await?.is_empty())
            }
            Self::Creator {
                org_id, subjects, ..
            } => {
                for some in subjects.chunks(SUBJECTS) {
                    let erased: HashSet<_> =
                        log.erased_of(*org_id, some).await?.into_iter().collect();
                    if some.iter().any(|subject| !erased.contains(subject)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl fmt::Display for Erasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { user_id, .. } => write!(f, "the person {user_id}"),
            Self::Creator {
                org_id, creator_id, ..
            } => write!(f, "the creator {creator_id} of org {org_id}"),
        }
    }
}

/// Those of these erasures of which the database has something.
///
/// # Errors
/// [`LedgerAhead`] if it could not be asked.
pub async fn erasures_left(
    erasures: Vec<Erasure>,
    log: &EventLog,
    primary: &PgPool,
) -> Result<Vec<Erasure>, LedgerAhead> {
    let mut left = Vec::new();
    for erasure in erasures {
        if erasure.is_left(log, primary).await? {
            left.push(erasure);
        }
    }
    Ok(left)
}

/// Looks whether the database has anything of what was erased last.
pub(super) async fn compare(
    folder: &Path,
    log: &EventLog,
    primary: &PgPool,
) -> Result<(), LedgerAhead> {
    let owned = folder.to_owned();
    let ends = spawn_blocking(move || ends(&owned, ERASURES, COMPARED_FILES, COMPARED_BYTES));
    let ends = ends
        .await
        .map_err(|error| failed(folder)(io::Error::other(error)))
        .flatten()
        .map_err(LedgerAhead::Ledger)?;
    let lines = ends.iter().flat_map(|end| end.split(|byte| *byte == b'\n'));
    let done = lines.filter_map(|line| parse(line).ok()?.done());
    let left = erasures_left(done.collect(), log, primary).await?;
    match left.into_iter().next() {
        Some(erasure) => Err(LedgerAhead::Unerased(erasure)),
        None => Ok(()),
    }
}

pub(super) fn parse(line: &[u8]) -> Result<Step, Unreadable> {
    let line: Line = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) if error.is_eof() => return Err(Unreadable::Torn),
        Err(_) => return Err(Unreadable::Damaged),
    };
    if line.sha256 != digest(&line.step) {
        return Err(Unreadable::Damaged);
    }
    serde_json::from_str(line.step.get()).map_err(|_| Unreadable::Damaged)
}

fn digest(step: &RawValue) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(step.get()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::super::{Damaged, read_ledger};
    use super::*;

    fn at() -> Timestamp {
        Timestamp::parse("2026-01-05T00:00:00Z").unwrap()
    }

    fn person() -> Erasure {
        Erasure::Person {
            user_id: UserId::from_uuid(Uuid::from_u128(1)),
            keeps_keys: false,
            invitees: vec![InviteeId::from_uuid(Uuid::from_u128(3))],
        }
    }

    fn creator(subjects: u128) -> Erasure {
        Erasure::Creator {
            org_id: OrgId::from_uuid(Uuid::from_u128(1)),
            creator_id: CreatorId::from_uuid(Uuid::from_u128(2)),
            subjects: (10..10 + subjects).map(Uuid::from_u128).collect(),
        }
    }

    #[tokio::test]
    async fn what_was_begun_is_read_in_parts_and_what_was_done_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let many = u128::try_from(SUBJECTS).unwrap() * 2 + 1;
        let one = Erasures::new(folder.path(), "a");
        one.begin(at(), &creator(many)).await.unwrap();
        one.finish(at(), &creator(many)).await.unwrap();
        let other = Erasures::new(folder.path(), "b");
        other.begin(at(), &person()).await.unwrap();
        let recorded = read_ledger(folder.path()).unwrap();
        assert_eq!((recorded.torn, recorded.damaged.len()), (0, 0));
        let mut expected = creator(many).in_parts();
        assert_eq!(expected.len(), 3);
        expected.push(person());
        assert_eq!(recorded.erasures, expected);
    }

    #[tokio::test]
    async fn lines_are_written_as_ever() {
        let folder = tempfile::tempdir().unwrap();
        let erasures = Erasures::new(folder.path(), "a");
        erasures.begin(at(), &person()).await.unwrap();
        erasures.begin(at(), &creator(2)).await.unwrap();
        erasures.finish(at(), &creator(2)).await.unwrap();
        let text = fs::read_to_string(folder.path().join("a.erasures")).unwrap();
        let steps: Vec<_> = text
            .lines()
            .map(|line| line.split_once(r#","step":"#).unwrap().1)
            .collect();
        let expected = [
            r#"{"begun":{"at":"2026-01-05T00:00:00.000000Z","erasure":{"kind":"person","user_id":"00000000-0000-0000-0000-000000000001","keeps_keys":false,"invitees":["00000000-0000-0000-0000-000000000003"]}}}}"#,
            r#"{"begun":{"at":"2026-01-05T00:00:00.000000Z","erasure":{"kind":"creator","org_id":"00000000-0000-0000-0000-000000000001","creator_id":"00000000-0000-0000-0000-000000000002","subjects":["00000000-0000-0000-0000-00000000000a","00000000-0000-0000-0000-00000000000b"]}}}}"#,
            r#"{"done":{"at":"2026-01-05T00:00:00.000000Z","erasure":{"kind":"creator","org_id":"00000000-0000-0000-0000-000000000001","creator_id":"00000000-0000-0000-0000-000000000002","subjects":["00000000-0000-0000-0000-00000000000a"]}}}}"#,
        ];
        assert_eq!(steps, expected);
    }

    #[tokio::test]
    async fn lines_that_are_torn_or_altered_are_counted_and_hide_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let erasures = Erasures::new(folder.path(), "a");
        erasures.begin(at(), &person()).await.unwrap();
        let path = folder.path().join("a.erasures");
        let text = fs::read_to_string(&path).unwrap();
        let line = text.trim_end();
        let altered = line.replace("0001", "0002");
        assert_ne!(altered, line);
        let torn = &line[..line.len() / 2];
        fs::write(&path, format!("{altered}\n{line}\n\n{torn}")).unwrap();
        let recorded = read_ledger(folder.path()).unwrap();
        assert_eq!(recorded.erasures, [person()]);
        let damaged = Damaged { path, line: 1 };
        assert_eq!((recorded.torn, recorded.damaged), (1, vec![damaged]));
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let erasures = Erasures::new(&file.join("ledger"), "a");
        let said = erasures.begin(at(), &person()).await.unwrap_err();
        assert!(said.to_string().ends_with("could not be written"), "{said}");
    }
}
