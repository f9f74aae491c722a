//! The first half of an ingest's work: lines against the state, and what identifies each reading.

use domain::event::{Event, Reading};
use domain::ids::{ProjectId, StreamVersion};
use domain::observation::{LineError, judge};
use domain::org::{Context, OrgState, Rejection, authorise};
use domain::scope::Scope;
use event_log::ReadingKey;

use super::lines::Lines;

/// A reading with what tells it from others.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) reading: Reading,
    pub(super) key: ReadingKey,
    pub(super) digest: [u8; 32],
    /// What it takes in an event.
    pub(super) bytes: usize,
}

/// What became of one line.
#[derive(Debug)]
pub(super) struct JudgedLine {
    pub(super) discovered: bool,
    pub(super) candidates: Result<Vec<Candidate>, LineError>,
}

/// What became of all lines at one version of the org.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) version: StreamVersion,
    pub(super) discoveries: Vec<Event>,
    pub(super) lines: Vec<JudgedLine>,
}

impl Judged {
    pub(super) fn new(
        state: &OrgState,
        project: Option<ProjectId>,
        lines: &Lines,
        context: &Context<'_>,
        random: &mut dyn FnMut() -> [u8; 10],
    ) -> Result<Self, Rejection> {
        // The gate let the caller in a moment ago; the state may be newer.
        authorise(state, Scope::Ingest, context)?;
        let judged = judge(state, project, &lines.parsed, context, random)?;
        let lines = judged.lines.into_iter().map(|line| JudgedLine {
            discovered: line.discovered,
            candidates: line
                .readings
                .map(|readings| readings.into_iter().map(Candidate::new).collect()),
        });
        Ok(Self {
            version: StreamVersion::new(state.events),
            discoveries: judged.discoveries,
            lines: lines.collect(),
        })
    }

    /// The keys of all readings.
    pub(super) fn keys(&self) -> Vec<ReadingKey> {
        let good = self
            .lines
            .iter()
            .filter_map(|line| line.candidates.as_ref().ok());
        good.flatten().map(|candidate| candidate.key).collect()
    }
}

impl Candidate {
    fn new(reading: Reading) -> Self {
        let (digest, bytes) = reading.digest_and_bytes();
        Self {
            key: ReadingKey::of(&reading),
            reading,
            digest,
            bytes,
        }
    }
}
