//! Tells whether archives of the log are sound; needs no database.

use std::path::PathBuf;

use clap::Args;
use event_log::archive::{ArchiveError, Checker, Volume};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::telemetry::chain;

use super::archive::ArchiveFailure;
use crate::terminal::say;

/// Which files.
#[derive(Debug, Args)]
pub struct VerifyArchive {
    /// Files `events-<first>-<last>.ndjson.zst`, in any order; the manifest of each must stand beside
    /// it. Of files that follow one another it is checked that they do.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl VerifyArchive {
    /// Reads every file whole, and says of each what came of it.
    pub async fn run(self) -> Result<(), ArchiveFailure> {
        tokio::task::spawn_blocking(move || self.verify()).await?
    }

    fn verify(self) -> Result<(), ArchiveFailure> {
        let mut unsound = 0;
        let mut volumes = Vec::new();
        for path in self.files {
            match Volume::open(&path) {
                Ok(volume) => volumes.push(volume),
                Err(error) => {
                    unsound += 1;
                    say(format_args!("{}: {}", path.display(), chain(&error)));
                }
            }
        }
        volumes.sort_by_key(|volume| volume.manifest().first);
        let bar = progress_bar(volumes.iter().map(|volume| volume.manifest().count).sum());
        let mut before: Option<Checker> = None;
        for volume in volumes {
            let manifest = volume.manifest();
            // What the file before it left, or what this one says of what it goes on from.
            let own = || manifest.before.start().map(Checker::new);
            let follows = before.take_if(|checker| checker.last().next() == manifest.first);
            let Some(mut checker) = follows.or_else(own) else {
                continue;
            };
            let path = volume.path().display();
            match volume.verify(&mut checker, |_| bar.inc(1)) {
                Ok(()) => {
                    let (first, last, epoch) = (manifest.first, manifest.last, manifest.epoch);
                    let (size, root) = (manifest.after.tree_size, manifest.after.root.0);
                    bar.suspend(|| {
                        say(format_args!(
                            "{path}: sound, events {first} to {last} of life {epoch}; \
                             the tree of size {size} has the root {root}"
                        ));
                    });
                    before = Some(checker);
                }
                Err(error) => {
                    unsound += 1;
                    let of_file = matches!(error, ArchiveError::Damaged { .. });
                    let error = chain(&error).to_string();
                    bar.suspend(|| {
                        if of_file {
                            say(error);
                        } else {
                            say(format_args!("{path}: {error}"));
                        }
                    });
                }
            }
        }
        bar.finish_and_clear();
        match unsound {
            0 => Ok(()),
            unsound => Err(ArchiveFailure::Unsound(unsound)),
        }
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
