//! The whole log, from its database.

use std::fmt;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::{Frontier, TILE_WIDTH};
use domain::signed::VerifierKey;
use event_log::{
    CheckpointFolder, Config, EventLog, Extent, ReadError, StoredEvent, checkpoints_of_stream,
};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::telemetry::chain;

use super::VerifyError;
use super::credentials::Unmade;
use super::expected::{Copies, Expected, Source};
use super::report::{Fault, Report};
use super::walk::{Step, Walk, of_subtree};
use crate::nats;
use crate::operator::{Place, connect as connect_once};

/// Events of one read; while they are looked at, the next are read.
const PAGE: u16 = 5_000;
const NATS_WITHIN: Duration = Duration::from_secs(5);

/// What the log is held to beside its database.
pub struct Outside {
    pub keys: Vec<VerifierKey>,
    pub folders: Vec<PathBuf>,
}

/// The log for reading.
pub async fn connect(
    place: &Place,
    clock: Clock,
    entropy: Entropy,
) -> Result<EventLog, VerifyError> {
    drop(connect_once(place, &clock).await?);
    let (log, _) = EventLog::new(place.pool()?, clock, entropy, Config::default());
    Ok(log)
}

/// Verifies all of it.
pub async fn verify(
    place: &Place,
    outside: Outside,
    clock: Clock,
    entropy: Entropy,
) -> Result<Report, VerifyError> {
    let began = clock.monotonic();
    let log = connect(place, clock.clone(), entropy).await?;
    let mut report = Report::default();
    let unmade = Unmade::read(&log).await?;
    let extent = log.extent().await?;
    let mut copies = copies(place, &outside, &extent, &clock, &mut report).await?;
    let newest = log.newest_checkpoint().await?;
    copies.add_newest(newest.as_ref());
    let kept = log.restorations().await?;
    let expected = Expected::new(log.clone(), copies, kept, &mut report);
    let checked = Examination {
        log,
        extent,
        bar: progress_bar(&extent),
        unmade,
        report,
    };
    let mut report = Box::pin(checked.run(expected)).await?;
    if outside.keys.is_empty() {
        report.doubt(
            "that the log's own key signed what is signed: it was verified with the keys that stand beside it \
             (see --public-key)",
        );
    }
    let took = clock.monotonic().saturating_since(began);
    let rate = u128::from(extent.head.position.get()) * 1_000 / took.as_millis().max(1);
    report.tell(format!(
        "{:.1} s, {rate} events a second",
        took.as_secs_f64()
    ));
    Ok(report)
}

/// What is kept outside the database.
async fn copies(
    place: &Place,
    outside: &Outside,
    extent: &Extent,
    clock: &Clock,
    report: &mut Report,
) -> Result<Copies, VerifyError> {
    let mut copies = Copies::new(extent.head.epoch, outside.keys.clone());
    let mut folders = outside.folders.clone();
    if folders.is_empty() {
        let of_dev = place.dev_folder.iter().map(|dev| dev.join("checkpoints"));
        folders.extend(of_dev);
    }
    for folder in folders {
        let folder = CheckpointFolder::new(folder);
        folder.read(|copy| copies.add(&copy, Source::Folder))?;
    }
    let url = match &place.nats {
        Ok(Some(url)) => url,
        Ok(None) => return Ok(copies),
        Err(error) => {
            unasked(report, &chain(error));
            return Ok(copies);
        }
    };
    let client = match clock.timeout(NATS_WITHIN, nats::connect(url)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            unasked(report, &chain(&error));
            return Ok(copies);
        }
        Err(late) => {
            unasked(report, &late);
            return Ok(copies);
        }
    };
    let take = |copy| copies.add(&copy, Source::Stream);
    if let Err(error) = checkpoints_of_stream(client, clock, take).await {
        unasked(report, &chain(&error));
    }
    Ok(copies)
}

fn unasked(report: &mut Report, why: &dyn fmt::Display) {
    report.doubt(format!(
        "that the log agrees with the stream of checkpoints, which could not be read: {why}"
    ));
}

struct Examination {
    log: EventLog,
    extent: Extent,
    bar: ProgressBar,
    unmade: Unmade,
    report: Report,
}

impl Examination {
    async fn run(mut self, mut expected: Expected) -> Result<Report, VerifyError> {
        let end = self.extent.head.position;
        let first = self.extent.first.unwrap_or(end.next());
        let before = GlobalPosition::new(first.get() - 1);
        // Nothing says that they are kept elsewhere, and what is kept of the tree could have been changed
        // with them.
        if before > GlobalPosition::ZERO {
            let missing = Fault::between(
                GlobalPosition::new(1),
                before,
                "the log lacks its beginning",
            );
            self.report.fault = Some(missing);
            return Ok(self.report);
        }
        let Some(tree) = self.beginning(before).await? else {
            let what = "what is kept of the tree does not reach the oldest event";
            self.report.fault = Some(Fault::at(first, what));
            return Ok(self.report);
        };
        expected.skip_below(TreeSize::new(tree.size())).await?;
        expected.fill(TreeSize::new(tree.size())).await?;
        let is_whole = before == GlobalPosition::ZERO;
        let mut walk = Walk::new(expected, tree, is_whole);
        // What was signed over no event, or over what is kept elsewhere.
        let mut fault = walk.agrees().err();
        let mut at = before;
        let mut page = self.page(at).await?;
        while fault.is_none() && at < end {
            let Page { events, gap } = page;
            let until = events.last().map_or(at, |last| last.position);
            walk.expected.fill(TreeSize::new(until.get())).await?;
            let ahead = async {
                if gap.is_none() && until < end {
                    self.page(until).await
                } else {
                    Ok(Page::default())
                }
            };
            let through = tokio::task::spawn_blocking(move || walk.through(&events));
            let (step, ahead) = tokio::join!(through, ahead);
            let Step {
                walk: on,
                grown,
                fault: found,
            } = step?;
            walk = on;
            let signed = self.signed().await?;
            let wrong = self.log.wrong_subtrees(&grown).await?;
            let wrong = wrong.iter().find_map(|one| of_subtree(one, signed));
            fault = earlier(found, wrong).or(gap);
            self.unmade.meet(&self.log, at, until).await?;
            self.bar.inc(until.get() - at.get());
            at = until;
            page = ahead?;
        }
        self.bar.finish_and_clear();
        self.report.fault = match fault {
            Some(fault) => Some(fault),
            None => self.end(&mut walk).await?,
        };
        self.summarize(&walk, is_whole);
        Ok(self.report)
    }

    /// The tree over what is kept elsewhere; from a log that begins in the midst of a tile, up to the
    /// end of that tile, of which one hash is kept.
    async fn beginning(&self, before: GlobalPosition) -> Result<Option<Frontier>, ReadError> {
        let size = before.get().next_multiple_of(TILE_WIDTH);
        if size == 0 {
            return Ok(Some(Frontier::default()));
        }
        self.log.tree_edge(TreeSize::new(size)).await
    }

    /// The next events, up to where one is missing or cannot be read.
    async fn page(&self, after: GlobalPosition) -> Result<Page, ReadError> {
        let left = self.extent.head.position.get() - after.get();
        let limit = u16::try_from(left).unwrap_or(PAGE).min(PAGE);
        let corrupt = match self.log.read(after, limit).await {
            Ok(events) if events.len() == usize::from(limit) => {
                let gap = None;
                return Ok(Page { events, gap });
            }
            Ok(events) => {
                let missing = after.plus(events.len() as u64).next();
                let gap = Some(Fault::at(missing, "it is missing"));
                return Ok(Page { events, gap });
            }
            Err(ReadError::Corrupt(row)) if row.table == "log.events" => row,
            Err(error) => return Err(error),
        };
        let Ok(position) = corrupt.key.parse::<u64>().map(GlobalPosition::new) else {
            return Err(corrupt.into());
        };
        let what = match (corrupt.column, corrupt.problem) {
            ("position", "is missing") => "it is missing".to_owned(),
            (column, problem) => format!("its {column} {problem}"),
        };
        let good = u16::try_from(position.get() - after.get() - 1).unwrap_or_default();
        Ok(Page {
            events: match good {
                0 => Vec::new(),
                good => self.log.read(after, good).await?,
            },
            gap: Some(Fault::at(position, what)),
        })
    }

    /// How far the tree must be kept.
    async fn signed(&self) -> Result<TreeSize, ReadError> {
        let newest = self.log.newest_checkpoint().await?;
        Ok(newest.map_or(TreeSize::ZERO, |newest| newest.size))
    }

    /// What can be said at the end only.
    async fn end(&mut self, walk: &mut Walk) -> Result<Option<Fault>, ReadError> {
        let (head, end) = (
            &self.extent.head,
            TreeSize::new(self.extent.head.position.get()),
        );
        if let Some(cut) = walk.expected.beyond(end).await? {
            // Signed since this began, if the log has them now.
            let grown = self.log.head().await?.position;
            if cut.last.or(cut.first).is_some_and(|last| last > grown) {
                return Ok(Some(cut));
            }
        }
        if let Some(last) = self.extent.last.filter(|last| *last > head.position) {
            let what = format!("the log says that it ends at {}", head.position);
            return Ok(Some(Fault::between(head.position.next(), last, what)));
        }
        if let Some(auth) = walk.auth().filter(|auth| *auth != head.auth_position) {
            let what = format!(
                "the last event that changes who may call is at {auth}, the log says {}",
                head.auth_position
            );
            return Ok(Some(Fault::beside(what)));
        }
        if self.extent.first.is_none_or(|first| first.get() == 1) {
            if let Some(unmade) = self.unmade.fault() {
                return Ok(Some(unmade));
            }
            let access = mem::take(&mut walk.access);
            return access
                .compare(&self.log, head.position, &mut self.report)
                .await;
        }
        if self.unmade.len() > 0 {
            self.report.doubt(format!(
                "that {} credentials were made by events that are no longer kept online",
                self.unmade.len()
            ));
        }
        Ok(None)
    }

    fn summarize(&mut self, walk: &Walk, is_whole: bool) {
        let (chains, expected) = (&walk.chains, &walk.expected);
        let report = &mut self.report;
        let first = self.extent.first.unwrap_or_default();
        report.tell(format!(
            "{} events of {} streams from position {first} on were looked at",
            chains.count(),
            chains.streams()
        ));
        let [database, folder, stream] =
            [Source::Database, Source::Folder, Source::Stream].map(|one| expected.agreed(one));
        report.tell(format!(
            "signed heads that agree: {database} in the database, {folder} in folders, {stream} on the stream"
        ));
        if folder + stream == 0 {
            report.doubt(
                "that what was signed was not changed with the events: no signed head outside the database \
                 agrees with them (see --checkpoint-dir)",
            );
        }
        if walk.unknown_types > 0 {
            let count = walk.unknown_types;
            report.tell(format!(
                "{count} events are of types that this build does not know"
            ));
        }
        if !is_whole {
            report.doubt(format!(
                "what came before position {first}: it is kept elsewhere"
            ));
        }
        let (end, signed) = (
            self.extent.head.position.get(),
            expected.last_agreed().get(),
        );
        if report.fault.is_none() && signed < end {
            report.doubt(format!(
                "that events after position {signed} were not changed together with their hashes: they \
                 are under no signature yet"
            ));
        }
    }
}

#[derive(Default)]
struct Page {
    events: Vec<StoredEvent>,
    /// What is wrong behind them.
    gap: Option<Fault>,
}

/// Of two faults the one that stands earlier in the log.
fn earlier(one: Option<Fault>, other: Option<Fault>) -> Option<Fault> {
    let place = |fault: &Fault| fault.first.map_or(u64::MAX, GlobalPosition::get);
    one.into_iter().chain(other).min_by_key(place)
}

/// Shown on a terminal only.
fn progress_bar(extent: &Extent) -> ProgressBar {
    let first = extent.first.map_or(0, |first| first.get() - 1);
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} events {per_sec} {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    let events = extent.head.position.get().saturating_sub(first);
    ProgressBar::new(events).with_style(style)
}
