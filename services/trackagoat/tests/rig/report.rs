//! What a run came to: a table for people, JSON for programs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::proven;

use crate::judge::{Findings, share};

/// Speaks at once: a run takes minutes.
pub fn say(text: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Broken,
    /// It was not run, and proves nothing.
    Skipped,
}

/// All rows of a run.
#[derive(Default)]
pub struct Report {
    rows: Vec<Value>,
    pub broken: u32,
    faults: Faults,
}

/// Deliberate faults: those that must be seen, and those that were.
#[derive(Default)]
struct Faults {
    wanted: u64,
    found: u64,
}

impl Report {
    /// Adds a row, and tells it.
    pub fn row(
        &mut self,
        name: &str,
        about: &str,
        verdict: Verdict,
        found: &Findings,
        seconds: f64,
    ) {
        if self.rows.is_empty() {
            say(
                "row        verdict   s  revokes tries>1  probes   fresh  control  acked expired left  longest ms  late ms  what",
            );
        }
        let told = match verdict {
            Verdict::Holds => "holds",
            Verdict::Broken => "BROKEN",
            Verdict::Skipped => "skipped",
        };
        say(format_args!(
            "{name:<10} {told:<7} {seconds:>3.0} {:>8} {:>7} {:>7} {:>6.1}% {:>7.2}% {:>6} {:>7} {:>4} {:>11} {:>8}  {about}",
            found.revokes,
            found.retried,
            found.probes,
            share(found.fresh) * 100.0,
            share(found.control) * 100.0,
            found.ends[0],
            found.ends[1],
            found.ends[2],
            found.longest.as_millis(),
            found.late.as_millis(),
        ));
        for note in &found.notes {
            say(format_args!("           {note}"));
        }
        for problem in &found.problems {
            say(format_args!("    !!     {problem}"));
        }
        self.broken += u32::from(verdict == Verdict::Broken);
        self.rows.push(json!({
            "row": name, "about": about, "verdict": told, "seconds": seconds,
            "revokes": found.revokes, "retried": found.retried, "probes": found.probes,
            "fresh": {"of": found.fresh.0, "asked": found.fresh.1},
            "control": {"asked": found.control.0, "answered": found.control.1},
            "barriers": {"acked": found.ends[0], "expired": found.ends[1], "left": found.ends[2]},
            "longest_ms": millis(found.longest), "latest_wake_ms": millis(found.late),
            "tampered": found.tampered, "answers": found.answers, "notes": found.notes, "problems": found.problems,
        }));
    }

    /// Counts a deliberate fault that must be seen.
    pub fn fault(&mut self, verdict: Verdict) {
        self.faults.wanted += 1;
        self.faults.found += u64::from(verdict == Verdict::Holds);
    }

    /// Writes everything to where the results of a build are.
    pub fn write(
        &self,
        name: &str,
        deep: bool,
        counters: &[(&'static str, u64)],
        missing: Option<&str>,
    ) -> PathBuf {
        let counted: serde_json::Map<_, _> = counters
            .iter()
            .map(|(what, count)| ((*what).to_owned(), json!(count)))
            .collect();
        let all = json!({
            "deep": deep, "without_namespaces": missing, "rows": self.rows, "counters": counted,
            "broken": self.broken,
        });
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../deploy/test");
        fs::create_dir_all(&folder).expect("the target folder is ours");
        let file = folder.join(name);
        let text = serde_json::to_vec_pretty(&all).expect("plain JSON");
        fs::write(&file, text).expect("the target folder is ours");
        self.record();
        file.canonicalize().unwrap_or(file)
    }

    /// For the record of proofs.
    fn record(&self) {
        // What is said of the whole run is the sum of its rows.
        let rows = || self.rows.iter().filter(|row| row["row"] != "all");
        let came_to = |told: &str| rows().filter(|row| row["verdict"] == told).count();
        let sum = |what: &str| rows().filter_map(|row| row[what].as_u64()).sum();
        let mut counts = vec![
            ("rows", came_to("holds") as u64),
            ("rows_broken", u64::from(self.broken)),
            ("rows_skipped", came_to("skipped") as u64),
            ("revocations", sum("revokes")),
            ("probes", sum("probes")),
        ];
        if self.faults.wanted > 0 {
            counts.extend([
                ("faults", self.faults.wanted),
                ("faults_found", self.faults.found),
            ]);
        }
        proven(&counts);
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
