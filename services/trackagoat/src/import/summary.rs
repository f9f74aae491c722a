//! What came of an import.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::api::{CreatorsAnswer, IngestAnswer};
use super::lines::Batch;
use super::rows::{Skipped, Source};

/// Rejections that are the server's rule and lose nothing that was wanted.
const BY_RULE: [&str; 2] = ["video_removed", "before_tracking_start"];
/// Examples shown of lines that were lost.
const EXAMPLES: usize = 5;

/// Counts of everything sent.
#[derive(Default)]
pub struct Summary {
    rows: usize,
    skipped: Skipped,
    creators: CreatorsAnswer,
    accepted: u64,
    duplicate: u64,
    refused_by_rule: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
    examples: Vec<String>,
    /// For messages.
    files: Vec<PathBuf>,
}

impl Summary {
    pub fn new(rows: usize, skipped: Skipped, files: Vec<PathBuf>) -> Self {
        let mut summary = Self {
            rows,
            files,
            ..Self::default()
        };
        for (source, reason) in &skipped.examples {
            let place = summary.place(*source);
            summary.examples.push(format!("{place}: {reason}"));
        }
        summary.skipped = skipped;
        summary
    }

    /// `NZ.csv:7`.
    fn place(&self, source: Source) -> String {
        let file = self
            .files
            .get(source.file)
            .and_then(|path| path.file_name());
        let name = file.unwrap_or_default().to_string_lossy();
        format!("{name}:{}", source.line)
    }

    pub fn add_creators(&mut self, answer: CreatorsAnswer) {
        self.creators.created += answer.created;
        self.creators.known += answer.known;
        for (code, message) in answer.refused {
            *self.lost.entry(format!("creator {code}")).or_default() += 1;
            if self.examples.len() < EXAMPLES {
                self.examples.push(format!("creator: {message}"));
            }
        }
    }

    pub fn add_lines(&mut self, batch: &Batch, answer: IngestAnswer) {
        self.accepted += answer.accepted;
        self.duplicate += answer.duplicate;
        for error in answer.errors {
            if BY_RULE.contains(&error.code.as_str()) {
                *self.refused_by_rule.entry(error.code).or_default() += 1;
                continue;
            }
            if self.examples.len() < EXAMPLES {
                let source = error
                    .line
                    .checked_sub(1)
                    .and_then(|index| batch.sources.get(index));
                let place = source.map_or_else(String::new, |source| self.place(*source));
                self.examples.push(format!("{place}: {}", error.message));
            }
            *self.lost.entry(error.code).or_default() += 1;
        }
    }

    /// Whether everything readable in the files is in the log now.
    pub fn nothing_lost(&self) -> bool {
        self.lost.is_empty() && self.skipped.count() == 0
    }

    #[expect(
        clippy::print_stdout,
        reason = "the summary is what the command is run for"
    )]
    pub fn print(&self, elapsed: Duration, is_complete: bool) {
        let sent = self.accepted + self.duplicate;
        let seconds = elapsed.as_secs_f64();
        println!("rows       {}", self.rows as u64 + self.skipped.count());
        println!(
            "creators   {} new, {} known already",
            self.creators.created, self.creators.known
        );
        println!(
            "lines      {} accepted, {} known already",
            self.accepted, self.duplicate
        );
        for (what, reasons) in [
            ("skipped", &self.skipped.reasons),
            ("refused", &self.refused_by_rule),
            ("LOST", &self.lost),
        ] {
            for (reason, number) in reasons {
                println!("{what:<10} {number}: {reason}");
            }
        }
        for example in &self.examples {
            println!("           {example}");
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate for people"
        )]
        let rate = (sent as f64 / seconds.max(0.001)) as u64;
        let end = if is_complete {
            "the read side has everything"
        } else {
            "NOT FINISHED: run it again, what is there already changes nothing"
        };
        println!("took       {seconds:.1} s, {rate} lines/s; {end}");
    }
}
