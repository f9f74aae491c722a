//! Archives of the log, by themselves and as they follow one another, with nothing but the log's public
//! key and a signed head.

use std::path::{Path, PathBuf};

use domain::ids::GlobalPosition;
use domain::merkle::{CompactRange, NodeHash};
use domain::signed::{Checkpoint, VerifierKey};
use event_log::archive::{ArchiveError, Checker, Volume};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::telemetry::chain;

use super::VerifyError;
use super::file::given_checkpoint;
use super::report::{Fault, Report};

/// The way through the files.
struct Passage {
    report: Report,
    bar: ProgressBar,
    head: Option<Checkpoint>,
    /// Where the former file ended.
    before: Option<Checker>,
    /// What is not proven of where the files begin that follow one another here.
    loose: Option<String>,
    /// Whether the tree over the signed head's events was met, and is the signed one.
    is_proven: bool,
}

/// Verifies files. Blocks.
pub fn verify(
    files: &[PathBuf],
    keys: &[VerifierKey],
    note: Option<&Path>,
) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let head = match note.map(|note| given_checkpoint(note, keys)).transpose()? {
        Some(Ok(head)) => Some(head),
        Some(Err(fault)) => {
            report.fault = Some(fault);
            return Ok(report);
        }
        None => None,
    };
    let mut volumes = Vec::new();
    for path in files {
        match Volume::open(path) {
            Ok(volume) => volumes.push(volume),
            Err(error) => {
                report.fault = Some(fault(error)?);
                return Ok(report);
            }
        }
    }
    volumes.sort_by_key(|volume| volume.manifest().first);
    let count = volumes.iter().map(|volume| volume.manifest().count).sum();
    let mut passage = Passage {
        report,
        bar: progress_bar(count),
        head,
        before: None,
        loose: None,
        is_proven: false,
    };
    for volume in &volumes {
        passage.report.fault = passage.through(volume)?;
        if passage.report.fault.is_some() {
            break;
        }
    }
    passage.bar.finish_and_clear();
    passage.conclude();
    Ok(passage.report)
}

impl Passage {
    fn through(&mut self, volume: &Volume) -> Result<Option<Fault>, ArchiveError> {
        let manifest = volume.manifest();
        let path = volume.path().display();
        let (first, last, epoch) = (manifest.first, manifest.last, manifest.epoch);
        let own = || manifest.before.start().map(Checker::new);
        let follows = self.before.take_if(|former| former.last().next() == first);
        if follows.is_none() {
            let loose = (first.get() > 1).then(|| {
                format!(
                    "that {path} goes on from what was recorded before position {first}: name the file \
                     that ends there"
                )
            });
            let former = std::mem::replace(&mut self.loose, loose);
            self.report.unproven.extend(former);
        }
        let Some(mut checker) = follows.or_else(own) else {
            return Ok(None);
        };
        let mut tree = checker.end().tree;
        let due = self.head.as_ref().map(|head| head.size.get());
        let due = due.filter(|size| (first.get()..=last.get()).contains(size));
        let read = volume.verify(&mut checker, |event| {
            self.bar.inc(1);
            if due.is_some_and(|due| tree.size() < due) {
                tree.push(NodeHash::of_leaf(&event.hash));
            }
        });
        if let Err(error) = read {
            return fault(error).map(Some);
        }
        self.before = Some(checker);
        let (size, root) = (manifest.after.tree_size, manifest.after.root.0);
        self.report.tell(format!(
            "{path}: sound, events {first} to {last} of life {epoch}; the tree of size {size} has the root {root}"
        ));
        if due == Some(tree.size()) {
            return Ok(self.holds(&tree));
        }
        Ok(None)
    }

    /// Whether the tree is the one of the signed head, which is as large.
    fn holds(&mut self, tree: &CompactRange) -> Option<Fault> {
        let head = self.head.as_ref()?;
        if head.root == tree.root() {
            self.is_proven = true;
            self.loose = None;
            return None;
        }
        let last = GlobalPosition::new(tree.size());
        let what = "not the events over which the given checkpoint was signed: one was changed, with its \
                    hashes and manifests";
        Some(Fault::between(GlobalPosition::new(1), last, what))
    }

    fn conclude(&mut self) {
        if self.report.fault.is_some() {
            return;
        }
        let Some(last) = self.before.as_ref().map(Checker::last) else {
            return;
        };
        let report = &mut self.report;
        report.unproven.extend(self.loose.take());
        match &self.head {
            None => report.doubt(
                "that nothing was changed together with all hashes and manifests: name a signed head with \
                 --checkpoint, and --public-key",
            ),
            Some(head) if self.is_proven => {
                report.tell(format!("events up to {} are under the given checkpoint", head.size));
                if head.size.get() < last.get() {
                    report.doubt(format!("events after {}: they are not under it", head.size));
                }
            }
            Some(head) => report.doubt(format!(
                "that the events are under the given checkpoint, which is over {}: ask GET /audit/proof for \
                 from_size={last} and to_size, or name the files up to there",
                head.size
            )),
        }
    }
}

/// What a file says that is not so; any other error goes on.
fn fault(error: ArchiveError) -> Result<Fault, ArchiveError> {
    let what = chain(&error).to_string();
    match error {
        ArchiveError::Damaged { source, .. } => Ok(Fault::at(source.position, what)),
        ArchiveError::Manifest { .. } => Ok(Fault::beside(what)),
        error => Err(error),
    }
}

/// Shown on a terminal only.
fn progress_bar(events: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} events {per_sec}, {eta} left",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(events).with_style(style)
}
