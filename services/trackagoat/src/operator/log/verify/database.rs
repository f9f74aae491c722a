//! The whole log, from its database.

use std::mem;
use std::path::PathBuf;

use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::Frontier;
use domain::signed::VerifierKey;
use event_log::archive::{ArchiveEdge, ArchiveError};
use event_log::{Config, EventLog, Extent, ReadError, StoredEvent};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::clock::Clock;
use runtime::entropy::Entropy;

use super::VerifyError;
use super::credentials::Unmade;
use super::expected::{Copies, Expected, Source};
use super::online::Online;
use super::report::{Fault, Report};
use super::walk::{Scope, Step, Walk, of_subtree};
use crate::operator::log::copies;
use crate::operator::{Place, connect as connect_once};

/// Events of one read; while they are looked at, the next are read.
const PAGE: u16 = 5_000;
/// Positions that one read looks through for what is online of archived events.
const LOOK_THROUGH: u64 = 50_000;

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
    Ok(log.with_archive(place.archive.archive_dir.clone()))
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
    let archived = log.archive_edge().await?;
    let online = Online::of(log.archived_stretches().await?);
    let mut copies = copies(place, &outside, &extent, &clock, &mut report).await?;
    let newest = log.newest_checkpoint().await?;
    copies.add_newest(newest.as_ref());
    let kept = log.restorations().await?;
    let expected = Expected::new(log.clone(), copies, kept, &mut report);
    let checked = Examination {
        log,
        extent,
        archived,
        online,
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
    let take = |copy| copies.add(&copy, Source::Folder);
    for empty in copies::in_folders(place, &outside.folders, take)? {
        report.doubt(format!(
            "that the log agrees with what was signed and kept in {}: nothing is there",
            empty.display()
        ));
    }
    let take = |copy| copies.add(&copy, Source::Stream);
    if let Err(why) = copies::on_stream(place, clock, take).await {
        report.doubt(format!(
            "that the log agrees with the stream of checkpoints, which could not be read: {why}"
        ));
    }
    Ok(copies)
}

struct Examination {
    log: EventLog,
    extent: Extent,
    archived: Option<ArchiveEdge>,
    online: Online,
    bar: ProgressBar,
    unmade: Unmade,
    report: Report,
}

impl Examination {
    async fn run(mut self, mut expected: Expected) -> Result<Report, VerifyError> {
        let end = self.extent.head.position;
        let (tree, scope) = match self.beginning().await? {
            Ok(beginning) => beginning,
            Err(fault) => {
                self.report.fault = Some(fault);
                return Ok(self.report);
            }
        };
        expected.skip_below(TreeSize::new(tree.size())).await?;
        expected.fill(TreeSize::new(tree.size())).await?;
        let mut walk = Walk::new(expected, tree, scope);
        // What was signed over no event, or over what is kept elsewhere.
        let mut fault = walk.agrees().err();
        let mut at = GlobalPosition::ZERO;
        let mut page = self.page(at, scope).await?;
        while fault.is_none() && at < end {
            let Page { events, until, gap } = page;
            walk.expected.fill(TreeSize::new(until.get())).await?;
            let ahead = async {
                if gap.is_none() && until < end {
                    self.page(until, scope).await
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
            // Behind something wrong what comes next is not known.
            let is_sound = found.is_none();
            let at_edge = is_sound.then(|| self.at_edge(&walk, until)).flatten();
            fault = earlier(earlier(found, wrong), earlier(gap, at_edge));
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
        self.summarize(&walk, scope);
        Ok(self.report)
    }

    /// The tree over what is not looked at, and what is looked at.
    async fn beginning(&self) -> Result<Result<(Frontier, Scope), Fault>, ReadError> {
        let begin = GlobalPosition::new(1);
        // What no archive is said to hold must be here: what is kept of the tree could have been changed
        // with it.
        let upto = self.archived.map_or(0, |archived| archived.upto.get());
        let first = self
            .extent
            .first
            .unwrap_or(self.extent.head.position.next());
        if first.get() > upto + 1 {
            let (from, to) = (upto + 1, first.get() - 1);
            let (from, to) = (GlobalPosition::new(from), GlobalPosition::new(to));
            let what = "the log lacks its beginning";
            return Ok(Err(Fault::between(from, to, what)));
        }
        let Some(archived) = self.archived.filter(|_| !self.log.has_archive()) else {
            return Ok(Ok((Frontier::default(), Scope::Whole)));
        };
        let size = TreeSize::new(archived.upto.get());
        let Some(tree) = self.log.tree_edge(size).await? else {
            let what = "what is kept of the tree does not reach the end of what was archived";
            return Ok(Err(Fault::between(begin, archived.upto, what)));
        };
        if tree.root() != archived.root {
            let what = "the tree that is kept over them is not the one over what was archived";
            return Ok(Err(Fault::between(begin, archived.upto, what)));
        }
        Ok(Ok((tree, Scope::Decisions(archived.upto))))
    }

    /// The next events, up to where one is missing or cannot be read.
    async fn page(&mut self, after: GlobalPosition, scope: Scope) -> Result<Page, ReadError> {
        if let Scope::Decisions(upto) = scope
            && after < upto
        {
            return self.kept_page(after, upto).await;
        }
        let mut left = self.extent.head.position.get() - after.get();
        let edge = self.archived.map_or(0, |edge| edge.upto.get());
        let is_archived = after.get() < edge;
        if is_archived {
            left = left.min(edge - after.get());
        }
        let limit = u16::try_from(left).unwrap_or(PAGE).min(PAGE);
        let mut page = match self.log.read(after, limit).await {
            Ok(events) => {
                let until = after.plus(events.len() as u64);
                let is_whole = events.len() == usize::from(limit);
                let gap = (!is_whole).then(|| Fault::at(until.next(), "it is missing"));
                Page { events, until, gap }
            }
            Err(error) => {
                let gap = gap_of(error)?;
                let position = gap.first.unwrap_or(after.next());
                let good = position.get().saturating_sub(after.get() + 1);
                let good = u16::try_from(good).unwrap_or_default();
                let events = match good {
                    0 => Vec::new(),
                    good => self.log.read(after, good).await?,
                };
                let until = after.plus(events.len() as u64);
                Page {
                    events,
                    until,
                    gap: Some(gap),
                }
            }
        };
        if is_archived {
            let (kept, _) = self.log.read_online(after, page.until).await?;
            page.gap = earlier(self.online.past(&page.events, &kept), page.gap);
        }
        Ok(page)
    }

    /// What is online of the next events, which are archived and not at hand.
    async fn kept_page(
        &self,
        after: GlobalPosition,
        upto: GlobalPosition,
    ) -> Result<Page, ReadError> {
        let end = upto.min(after.plus(LOOK_THROUGH));
        Ok(match self.log.read_online(after, end).await {
            Ok((events, until)) => Page {
                events,
                until,
                gap: None,
            },
            Err(error) => Page {
                until: after,
                gap: Some(gap_of(error)?),
                ..Page::default()
            },
        })
    }

    /// Whether the log says rightly what was archived, once the last of that was met.
    fn at_edge(&self, walk: &Walk, until: GlobalPosition) -> Option<Fault> {
        let edge = self.archived.filter(|edge| edge.upto == until)?;
        let first = GlobalPosition::new(1);
        if walk.tree() != (edge.upto.get(), edge.root) {
            let what = "not the events of which log.archived has the tree";
            return Some(Fault::between(first, edge.upto, what));
        }
        let auth = walk.auth();
        if auth == edge.auth {
            return None;
        }
        let what = format!(
            "the last of them that changes who may call is at {auth}, log.archived says {}",
            edge.auth
        );
        Some(Fault::between(first, edge.upto, what))
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
        let auth = walk.auth();
        if auth != head.auth_position {
            let what = format!(
                "the last event that changes who may call is at {auth}, the log says {}",
                head.auth_position
            );
            return Ok(Some(Fault::beside(what)));
        }
        if let Some(archived) = self.archived
            && let Some(lost) = self.log.lost_newest_reading(archived.upto).await?
        {
            let what = "it holds the newest reading of something, and is archived, but not online any more";
            return Ok(Some(Fault::at(lost, what)));
        }
        // Decisions are all online, and they make credentials.
        if let Some(unmade) = self.unmade.fault() {
            return Ok(Some(unmade));
        }
        let access = mem::take(&mut walk.access);
        access
            .compare(&self.log, head.position, &mut self.report)
            .await
    }

    fn summarize(&mut self, walk: &Walk, scope: Scope) {
        let (chains, expected) = (&walk.chains, &walk.expected);
        let report = &mut self.report;
        report.tell(format!(
            "{} events of {} streams were looked at",
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
        if let Scope::Decisions(upto) = scope {
            report.doubt(format!(
                "observations up to position {upto}, of which log.archived alone says that they are archived \
                 and only the files prove it ({} were not looked at), and that decisions up to there \
                 were not changed or cut off where none follows: name the folder with --archive-dir. What \
                 follows was held to the tree over what was archived",
                chains.left_out()
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
    /// They were looked for up to here.
    until: GlobalPosition,
    /// What is wrong behind them.
    gap: Option<Fault>,
}

/// An event that is not there, or not readable; any other error goes on.
fn gap_of(error: ReadError) -> Result<Fault, ReadError> {
    let corrupt = match error {
        ReadError::Corrupt(row) if row.table == "log.events" => row,
        ReadError::Archive { position, source } => {
            return match *source {
                ArchiveError::Damaged { path, source } => {
                    let what = format!("it {} in {}", source.flaw, path.display());
                    Ok(Fault::at(source.position, what))
                }
                other => Err(ReadError::Archive {
                    position,
                    source: Box::new(other),
                }),
            };
        }
        error => return Err(error),
    };
    let Ok(position) = corrupt.key.parse::<u64>().map(GlobalPosition::new) else {
        return Err(corrupt.into());
    };
    let what = match (corrupt.column, corrupt.problem) {
        ("position", "is missing") => "it is missing".to_owned(),
        (column, problem) => format!("its {column} {problem}"),
    };
    Ok(Fault::at(position, what))
}

/// Of two faults the one that stands earlier in the log.
fn earlier(one: Option<Fault>, other: Option<Fault>) -> Option<Fault> {
    let place = |fault: &Fault| fault.first.map_or(u64::MAX, GlobalPosition::get);
    one.into_iter().chain(other).min_by_key(place)
}

/// Shown on a terminal only.
fn progress_bar(extent: &Extent) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{elapsed_precise} [{bar:40}] {human_pos}/{human_len} events {per_sec} {msg}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(extent.head.position.get()).with_style(style)
}
