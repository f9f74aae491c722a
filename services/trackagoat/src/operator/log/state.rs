//! `trackagoat log state`: an org as it was, by the fold that decides for it.

use std::collections::BTreeMap;

use clap::Args;
use domain::event::{DecodeError, Stream};
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::org::{CreatorStatus, OrgState, Recorded, evolve};
use domain::time::Timestamp;
use event_log::{EventLog, ReadError};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use serde::Serialize;
use serde_json::{Value, json};

use super::replay::range::{Edge, Range, RangeError};
use crate::operator::connection::{ConnectError, Target, open_log};
use crate::terminal::say;

/// Events of one read; so many of the largest are 64 MiB.
const PAGE: u16 = 256;

/// Which org, and when.
#[derive(Debug, Args)]
pub struct State {
    /// The org's id, as `orgs list` shows it.
    #[arg(long)]
    org: OrgId,
    /// A position, an instant, or a date, whose end in UTC is meant; by default now.
    #[arg(long, value_name = "POSITION|INSTANT|DATE")]
    at: Option<Edge>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error("the log could not be read")]
    Read(#[from] ReadError),
    #[error("there was no org {org} at position {position} yet, or never is one")]
    NoOrg {
        org: OrgId,
        position: GlobalPosition,
    },
    #[error("the log is empty")]
    Empty,
    #[error("the log has lost decision {version} of org {org}: `log verify` tells more")]
    Lost { org: OrgId, version: StreamVersion },
    #[error(
        "the event at position {position} cannot be read by this build: use the one that wrote it"
    )]
    Undecodable {
        position: GlobalPosition,
        #[source]
        source: DecodeError,
    },
}

/// What the events up to a position made of an org.
struct Folded {
    state: OrgState,
    /// The org's newest event by then.
    newest: GlobalPosition,
    newest_at: Timestamp,
}

impl State {
    /// Prints it as JSON.
    pub async fn run(
        self,
        target: &Target,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<(), StateError> {
        let log = open_log(&target.place()?, clock, entropy).await?;
        let now = Timestamp::from_datetime(clock.now());
        let end = Range::end(&log, self.at, now).await?;
        let position = end.ok_or(StateError::Empty)?;
        let folded = fold(&log, self.org, position).await?;
        let org = self.org;
        let folded = folded.ok_or(StateError::NoOrg { org, position })?;
        let shown = folded.show(org, position);
        say(format_args!("{shown:#}"));
        Ok(())
    }
}

/// The org as of a position; none if it had no event by then.
///
/// # Errors
/// [`StateError::Lost`] if a decision is missing that may have been made by then.
async fn fold(
    log: &EventLog,
    org: OrgId,
    position: GlobalPosition,
) -> Result<Option<Folded>, StateError> {
    let bar = ProgressBar::new(position.get()).with_style(style());
    let mut state = OrgState::default();
    let mut newest = None;
    let mut after = StreamVersion::ZERO;
    loop {
        let page = log.read_stream(org, Stream::Decisions, after, PAGE).await?;
        let is_past = page.last().is_some_and(|last| last.position > position);
        let is_short = page.len() < usize::from(PAGE);
        for event in page.iter().take_while(|event| event.position <= position) {
            let recorded = event.decode().map_err(|source| StateError::Undecodable {
                position: event.position,
                source,
            })?;
            evolve(&mut state, &Recorded::from(&recorded));
            newest = Some((event.position, event.recorded_at));
            after = event.version;
        }
        if let Some((position, _)) = newest {
            bar.set_position(position.get());
        }
        if is_past {
            break;
        }
        if is_short {
            // It ends where the org's decisions do, or where one is missing. That the newest ones of a
            // partition that is not full were cut off is for `log verify` to find.
            let stream = Stream::Decisions;
            if log.is_org_event_missing(org, stream, after).await? {
                let version = after.next();
                return Err(StateError::Lost { org, version });
            }
            break;
        }
    }
    bar.finish_and_clear();
    Ok(newest.map(|(newest, newest_at)| Folded {
        state,
        newest,
        newest_at,
    }))
}

impl Folded {
    fn show(&self, org: OrgId, position: GlobalPosition) -> Value {
        let state = &self.state;
        json!({
            "org_id": org,
            "position": position.get(),
            "last_event": {"position": self.newest.get(), "recorded_at": self.newest_at},
            "stream_version": state.events,
            "profile": state.profile,
            "members": with_ids(&state.members),
            "banned_users": state.banned_users,
            "invitations": with_ids(&state.invitations),
            "keys": self.keys(),
            "projects": with_ids(&state.projects),
            "counts": self.counts(),
        })
    }

    /// Keys with their status at that moment. Their hashes are not part of the fold.
    fn keys(&self) -> Vec<Value> {
        let keys = self.state.keys.iter();
        keys.map(|(id, key)| {
            let mut shown = with_id(id, key);
            shown["status"] = json!(key.status(self.newest_at));
            shown
        })
        .collect()
    }

    fn counts(&self) -> Value {
        let state = &self.state;
        let creators = |wanted| {
            let status = state.creators.values().map(|creator| creator.status);
            status.filter(|status| *status == wanted).count()
        };
        let (videos, campaigns, goals, annotations) = (
            state.videos.values().map(|it| it.removed),
            state.campaigns.values().map(|it| it.removed),
            state.goals.values().map(|it| it.removed),
            state.annotations.values().map(|it| it.removed),
        );
        json!({
            "creators": {
                "active": creators(CreatorStatus::Active),
                "auto_disabled": creators(CreatorStatus::AutoDisabled),
                "removed": creators(CreatorStatus::Removed),
            },
            "videos": by_presence(videos),
            "campaigns": by_presence(campaigns),
            "goals": by_presence(goals),
            "annotations": by_presence(annotations),
            "sessions": state.sessions.len(),
        })
    }
}

fn by_presence(removed: impl Iterator<Item = bool>) -> Value {
    let mut counts = (0, 0);
    for is_removed in removed {
        if is_removed {
            counts.1 += 1;
        } else {
            counts.0 += 1;
        }
    }
    json!({"present": counts.0, "removed": counts.1})
}

fn with_ids<Id: Serialize, Thing: Serialize>(things: &BTreeMap<Id, Thing>) -> Vec<Value> {
    things
        .iter()
        .map(|(id, thing)| with_id(id, thing))
        .collect()
}

fn with_id(id: &impl Serialize, thing: &impl Serialize) -> Value {
    let mut shown = json!(thing);
    shown["id"] = json!(id);
    shown
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed_precise} [{bar:40}] {human_pos}/{human_len} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
