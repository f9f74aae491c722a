//! `trackagoat log replay`: what happened, told again, as far as it is asked for and as fast.

mod http;
mod nats;
mod pace;
mod progress;
pub mod range;
mod sink;
mod stdout;

use std::path::PathBuf;

use clap::Args;
use domain::event::TypePattern;
use domain::ids::{GlobalPosition, OrgId};
use event_log::{EventLog, ReplayedPage, Selection, StoredEvent};
use runtime::clock::Clock;
use runtime::config::SecretError;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind, Tasks};
use secrecy::SecretString;
use tokio::sync::mpsc;

use self::http::{Endpoint, Http};
use self::nats::{Nats, Subject};
use self::pace::{Pace, Speed};
use self::progress::Progress;
use self::range::{Edge, Range, RangeError};
use self::sink::{Sink, SinkError};
use self::stdout::Stdout;
use super::has_org;
use crate::operator::connection::{ConnectError, Target, open_log};
use crate::terminal::{remark, say};

/// Pages, of about 2 MiB each, that are read ahead.
const READ_AHEAD: usize = 4;
/// Most events of one request.
const BATCH_MAX: u16 = 500;

/// Which events, where to, and how fast.
#[derive(Debug, Args)]
pub struct Replay {
    /// Where to begin: a position, an instant, or a date, whose first event in UTC is meant; by
    /// default the earliest event.
    #[arg(long, value_name = "POSITION|INSTANT|DATE")]
    from: Option<Edge>,
    /// Where to end, inclusive: a position, an instant, or a date, whose last event in UTC is
    /// meant; by default what is the newest event now.
    #[arg(long, value_name = "POSITION|INSTANT|DATE")]
    to: Option<Edge>,
    /// Events of this org alone, by its id.
    #[arg(long)]
    org: Option<OrgId>,
    /// Events of these types alone, commas between them: `key.revoked`, or `key.*` for all of keys.
    #[arg(
        id = "types",
        long = "type",
        value_delimiter = ',',
        value_name = "TYPE"
    )]
    types: Vec<TypePattern>,
    /// How many times as fast as it happened, for example 1x or 60; by default as fast as can be.
    #[arg(long, value_name = "FACTOR")]
    speed: Option<Speed>,
    /// Publish to this subject at the NATS of TGA_NATS_URL, rather than to print.
    #[arg(long, value_name = "SUBJECT", conflicts_with = "http")]
    nats_subject: Option<Subject>,
    /// Post to this address, rather than to print.
    #[arg(long, value_name = "URL")]
    http: Option<Endpoint>,
    /// Most events of one request. With 1, a request is one event as
    /// `application/cloudevents+json`; with more, `application/cloudevents-batch+json`.
    #[arg(
        long,
        default_value_t = 1,
        requires = "http",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(BATCH_MAX))
    )]
    batch: u16,
    /// A file with what is sent as the header Authorization of every request.
    #[arg(long, value_name = "PATH", requires = "http")]
    authorization_file: Option<PathBuf>,
}

/// Why not everything was told.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error("the log could not be read; go on with --from {next}")]
    Read {
        next: GlobalPosition,
        #[source]
        source: event_log::ReadError,
    },
    #[error("stopped before the end; go on with --from {next}")]
    Stopped { next: GlobalPosition },
    #[error("not everything was sent; go on with --from {next}")]
    Sink {
        next: GlobalPosition,
        #[source]
        source: SinkError,
    },
    #[error("nothing was sent")]
    NotBegun(#[source] SinkError),
    #[error("the log has no org {0}: `trackagoat orgs list` names them")]
    NoOrg(OrgId),
    #[error("signals cannot be listened for")]
    Signals(#[source] std::io::Error),
}

impl Replay {
    /// Tells everything that is asked for, or says from where to go on.
    pub async fn run(
        self,
        target: &Target,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<(), ReplayError> {
        let place = target.place()?;
        let log = open_log(&place, clock, entropy).await?;
        if let Some(org) = self.org {
            let is_there = has_org(&log, org).await.map_err(RangeError::Read)?;
            if !is_there {
                return Err(ReplayError::NoOrg(org));
            }
        }
        let Some(range) = Range::resolve(&log, self.from, self.to).await? else {
            remark("the log is empty");
            return Ok(());
        };
        let mut lifecycle = Lifecycle::with_signals(clock.clone()).map_err(ReplayError::Signals)?;
        let sink = self.sink(place.nats, &log, clock, entropy).await;
        let sink = sink.map_err(ReplayError::NotBegun)?;
        let selection = Selection {
            org: self.org,
            types: self.types,
        };
        let pages = read_ahead(&log, range, selection, &lifecycle.handle());
        let mut telling = Telling {
            progress: Progress::new(range, sink.prints()),
            sink,
            pace: self.speed.map(|speed| Pace::new(speed, clock.clone())),
            range,
            told: 0,
            passed: range.before_first(),
        };
        let ended = tokio::select! {
            biased;
            _ = lifecycle.stop_cause() => None,
            ended = telling.tell_all(pages) => Some(ended),
        };
        let concluded = telling.conclude(ended, clock).await;
        lifecycle.shutdown(ShutdownPolicy::default()).await;
        concluded
    }

    async fn sink(
        &self,
        nats: Result<Option<SecretString>, SecretError>,
        log: &EventLog,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<Sink, SinkError> {
        Ok(match (&self.nats_subject, &self.http) {
            (Some(subject), _) => {
                let epoch = log.head().await.map_err(SinkError::Log)?.epoch;
                let url = nats?.ok_or(SinkError::NoNats)?;
                let (subject, clock) = (subject.clone(), clock.clone());
                Sink::Nats(Nats::connect(subject, &url, epoch, clock).await?)
            }
            (None, Some(endpoint)) => Sink::Http(Http::new(
                endpoint.clone(),
                self.authorization_file.as_deref(),
                usize::from(self.batch),
                (clock.clone(), entropy.clone()),
            )?),
            (None, None) => Sink::Stdout(Stdout::start()?),
        })
    }
}

/// Reads pages while others are being sent.
fn read_ahead(
    log: &EventLog,
    range: Range,
    selection: Selection,
    tasks: &Tasks,
) -> mpsc::Receiver<Result<ReplayedPage, event_log::ReadError>> {
    let mut replay = log.replay(range.before_first(), range.last, selection);
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tasks.spawn(TaskKind::Disposable, "pages", async move {
        while let Some(page) = replay.next_page().await.transpose() {
            let is_over = page.is_err();
            // Nobody receives any more: it was stopped, or something else has failed.
            if sender.send(page).await.is_err() || is_over {
                return;
            }
        }
    });
    receiver
}

/// A replay under way.
struct Telling {
    sink: Sink,
    pace: Option<Pace>,
    progress: Progress,
    range: Range,
    /// Events given to the sink.
    told: u64,
    /// Everything up to here was given to the sink, or is not wanted.
    passed: GlobalPosition,
}

/// Why it ended before its end.
enum Ended {
    Read(event_log::ReadError),
    Sink(SinkError),
}

impl Telling {
    async fn tell_all(
        &mut self,
        mut pages: mpsc::Receiver<Result<ReplayedPage, event_log::ReadError>>,
    ) -> Result<(), Ended> {
        while let Some(page) = pages.recv().await {
            let page = page.map_err(Ended::Read)?;
            let mut rest = page.events.as_slice();
            while !rest.is_empty() {
                let count = match &mut self.pace {
                    Some(holds_back) => holds_back.wait_for_some(rest).await,
                    None => rest.len(),
                };
                let (due, later) = rest.split_at(count);
                self.tell(due).await?;
                rest = later;
            }
            self.passed = page.through;
            self.progress.reached(page.through, self.told);
        }
        self.sink.finish().await.map_err(Ended::Sink)
    }

    async fn tell(&mut self, events: &[StoredEvent]) -> Result<(), Ended> {
        self.sink.send(events).await.map_err(Ended::Sink)?;
        self.told += events.len() as u64;
        if let Some(last) = events.last() {
            self.passed = last.position;
            self.progress.reached(last.position, self.told);
        }
        Ok(())
    }

    /// Says what came of it; `None` if it was stopped.
    async fn conclude(
        mut self,
        ended: Option<Result<(), Ended>>,
        clock: &Clock,
    ) -> Result<(), ReplayError> {
        let taken = match ended {
            Some(Ok(())) => None,
            _ => self.sink.taken_in_the_end(clock).await,
        };
        self.progress.finish();
        // What the sink was not given is known to be unwanted only up to what was passed.
        let taken = taken.unwrap_or(self.range.before_first());
        let next = if self.sink.has_all() {
            self.passed.max(taken)
        } else {
            taken
        }
        .next();
        match ended {
            None if next > self.range.last => Ok(()),
            None => Err(ReplayError::Stopped { next }),
            // Whoever read it has seen enough.
            Some(Err(Ended::Sink(SinkError::Closed))) => Ok(()),
            Some(Err(Ended::Sink(source))) => Err(ReplayError::Sink { next, source }),
            Some(Err(Ended::Read(source))) => Err(ReplayError::Read { next, source }),
            Some(Ok(())) => {
                self.say_what_was_told();
                Ok(())
            }
        }
    }

    fn say_what_was_told(&self) {
        let Range { first, last } = self.range;
        if self.told == 0 {
            remark(format_args!(
                "nothing between positions {first} and {last} is what was asked for"
            ));
        } else if !self.sink.prints() {
            let told = self.told;
            say(format_args!(
                "{told} events sent, of positions {first} to {last}"
            ));
        }
    }
}
