//! What came of an import.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{CreatorsAnswer, IngestAnswer};
use super::lines::Batch;
use super::rows::Skipped;

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
    by_rule: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
    examples: Vec<String>,
}

impl Summary {
    pub fn new(rows: usize, skipped: Skipped) -> Self {
        Self {
            rows,
            skipped,
            ..Self::default()
        }
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
                *self.by_rule.entry(error.code).or_default() += 1;
                continue;
            }
            if self.examples.len() < EXAMPLES {
                let source = error
                    .line
                    .checked_sub(1)
                    .and_then(|index| batch.sources.get(index));
                let source = source.map_or(String::new(), |s| {
                    format!("file {}, line {}: ", s.file + 1, s.line)
                });
                self.examples.push(format!("{source}{}", error.message));
            }
            *self.lost.entry(error.code).or_default() += 1;
        }
    }

    /// Whether everything readable in the files is in the log now.
    pub fn nothing_lost(&self) -> bool {
        self.lost.is_empty() && self.skipped.is_empty()
    }

    #[expect(
        clippy::print_stdout,
        reason = "the summary is what the command is run for"
    )]
    pub fn print(&self, elapsed: Duration) {
        let sent = self.accepted + self.duplicate;
        let seconds = elapsed.as_secs_f64();
        println!("rows       {}", self.rows + count(&self.skipped));
        println!(
            "creators   {} new, {} known already",
            self.creators.created, self.creators.known
        );
        println!(
            "lines      {} accepted, {} known already",
            self.accepted, self.duplicate
        );
        for (what, reasons) in [
            ("skipped", &self.skipped),
            ("refused", &self.by_rule),
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
        println!("done in    {seconds:.1} s, {rate} lines/s; the read side has everything");
    }
}

fn count(skipped: &Skipped) -> usize {
    usize::try_from(skipped.values().sum::<u64>()).unwrap_or(usize::MAX)
}
