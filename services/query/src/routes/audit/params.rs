//! Parameters that several of these questions have.

use api::error::ApiError;
use api::input::issue::Invalid;
use api::input::query::Params;
use api::input::text::Text;
use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;
use domain::event::{Actor, EventType, Stream, TypePattern};
use domain::ids::GlobalPosition;
use domain::limits::{AUDIT_SUBJECT_CHARS, AUDIT_TYPES, MAX_COUNT};
use domain::platform::{Handle, Platform};
use domain::time::Timestamp;
use read_model::TypeFilter;
use read_model::analytics::day_start;
use uuid::Uuid;

use super::refused;
use crate::app::{App, Snapshot};
use crate::call::Call;
use crate::hub::Wanted;

/// The resolution of what the log dates.
const TICK: TimeDelta = TimeDelta::microseconds(1);

/// What subjects begin with whose end is an id.
const SUBJECTS: [&str; 12] = [
    "orgs",
    "members",
    "invitations",
    "sessions",
    "keys",
    "projects",
    "creators",
    "videos",
    "campaigns",
    "goals",
    "annotations",
    "webhooks",
];

/// A day, or an instant.
#[derive(Debug, Clone, Copy)]
enum Moment {
    Day(NaiveDate),
    Instant(Timestamp),
}

/// `from` and `to`.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    from: Option<Moment>,
    to: Option<Moment>,
}

/// Positions: after the first, up to the second.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub after: GlobalPosition,
    pub to: GlobalPosition,
}

/// `stream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamChoice {
    Decisions,
    Observations,
    All,
}

impl StreamChoice {
    pub const NAMES: [&str; 3] = ["decisions", "observations", "all"];
    const ALL: [Self; 3] = [Self::Decisions, Self::Observations, Self::All];

    pub fn read(params: &mut Params<'_>, default: Self) -> Result<Self, Invalid> {
        let name = |choice: Self| match choice {
            Self::Decisions => "decisions",
            Self::Observations => "observations",
            Self::All => "all",
        };
        let chosen = params.optional("stream", |it| it.one_of(&Self::ALL, name))?;
        Ok(chosen.unwrap_or(default))
    }

    pub fn streams(self) -> Vec<Stream> {
        match self {
            Self::Decisions => vec![Stream::Decisions],
            Self::Observations => vec![Stream::Observations],
            Self::All => vec![Stream::Decisions, Stream::Observations],
        }
    }
}

/// `type`: what is named must be known.
pub fn types(params: &mut Params<'_>) -> Result<Option<Vec<TypeFilter>>, Invalid> {
    params.optional("type", |it| it.list(1..=AUDIT_TYPES, one_type))
}

fn one_type(it: Text<'_>) -> Result<TypeFilter, Invalid> {
    let pattern = it.parse(TypePattern::parse)?;
    let name = pattern.as_str().to_owned();
    Ok(match pattern.entity() {
        Some(entity) => TypeFilter::Entity(entity.to_owned()),
        None => TypeFilter::Type(name),
    })
}

/// Which streams can have events of these types: nothing else need be read.
pub fn wanted(choice: StreamChoice, types: Option<Vec<TypeFilter>>) -> Wanted {
    let mut streams = choice.streams();
    if let Some(types) = &types {
        let is_of = |stream: Stream| {
            let mut known = EventType::ALL.iter();
            known.any(|known| {
                known.stream() == stream && types.iter().any(|one| one.covers(known.name()))
            })
        };
        streams.retain(|stream| is_of(*stream));
    }
    Wanted { streams, types }
}

/// A position, as a number.
pub fn position(
    params: &mut Params<'_>,
    name: &'static str,
) -> Result<Option<GlobalPosition>, Invalid> {
    let number = params.optional(name, |it| it.decimal(0..=MAX_COUNT))?;
    Ok(number.map(GlobalPosition::new))
}

/// `actor`.
pub fn actor(params: &mut Params<'_>) -> Result<Option<Actor>, Invalid> {
    params.optional("actor", |it| {
        let actor = it.as_str().parse();
        actor.map_err(|_| it.invalid("must be user:<id>, key:<id> or system"))
    })
}

/// `subject`.
pub fn subject(params: &mut Params<'_>) -> Result<Option<String>, Invalid> {
    params.optional("subject", |it| {
        let text = it.as_str();
        let is_known = text.chars().count() <= AUDIT_SUBJECT_CHARS
            && text
                .split_once('/')
                .is_some_and(|(kind, of)| is_subject(kind, of));
        if is_known {
            return Ok(text.to_owned());
        }
        let kinds = SUBJECTS.join(", ");
        Err(it.invalid(format!(
            "must be <kind>/<id>, where <kind> is one of {kinds}, or handles/<platform>/<handle>"
        )))
    })
}

fn is_subject(kind: &str, of: &str) -> bool {
    if kind == "handles" {
        let handle = of.split_once('/');
        return handle.is_some_and(|(platform, handle)| {
            let platform = platform.parse::<Platform>();
            platform.is_ok_and(|platform| Handle::parse(platform, handle).is_ok())
        });
    }
    // As the log writes ids.
    let id = Uuid::try_parse(of);
    SUBJECTS.contains(&kind) && id.is_ok_and(|id| id.as_hyphenated().to_string() == of)
}

impl Span {
    /// `from` and `to`, each a day or an instant.
    pub fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let moment = |it: Text<'_>| {
            if it.as_str().len() == "YYYY-MM-DD".len() {
                return it.date().map(Moment::Day);
            }
            let at = Timestamp::parse(it.as_str()).map(Moment::Instant);
            at.map_err(|neither| {
                it.invalid(format!("not a date of the form YYYY-MM-DD, and {neither}"))
            })
        };
        let from = params.optional("from", moment);
        let to = params.optional("to", moment);
        Ok(Self {
            from: from?,
            to: to?,
        })
    }

    /// Whether it leaves out nothing.
    pub const fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether the org's zone says what is meant.
    const fn has_days(&self) -> bool {
        matches!(self.from, Some(Moment::Day(_))) || matches!(self.to, Some(Moment::Day(_)))
    }

    /// The first and the last instant of it.
    fn instants(&self, tz: Tz) -> (Option<Timestamp>, Option<Timestamp>) {
        let from = self.from.map(|from| match from {
            Moment::Day(day) => day_start(tz, day),
            Moment::Instant(at) => at,
        });
        let to = self.to.map(|to| match to {
            Moment::Day(day) => {
                let next = day.succ_opt().unwrap_or(NaiveDate::MAX);
                day_start(tz, next).minus(TICK)
            }
            Moment::Instant(at) => at,
        });
        (from, to)
    }

    /// The positions of it, up to `head`; those of days in the zone of the caller's org. Where it cannot be
    /// told what lies within, since that is archived and not at hand, that lies within.
    pub async fn bounds(
        &self,
        app: &App,
        call: &Call,
        head: GlobalPosition,
    ) -> Result<Bounds, ApiError> {
        let tz = if self.has_days() {
            zone(app, call).await?
        } else {
            Tz::UTC
        };
        let (from, to) = self.instants(tz);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(refused("from", "must not be after to"));
        }
        let after = match from {
            Some(from) => app.moment(from.minus(TICK)).await?.at_least,
            None => GlobalPosition::ZERO,
        };
        let to = match to {
            Some(to) => app.moment(to).await?.at_most.min(head),
            None => head,
        };
        Ok(Bounds { after, to })
    }
}

/// The zone in which the days of the caller's org begin.
async fn zone(app: &App, call: &Call) -> Result<Tz, ApiError> {
    let mut snapshot = Snapshot {
        now: app.now(),
        reader: app.open(call).await?,
        call,
        app,
    };
    let zone = snapshot.org().await?.profile.timezone;
    let zone = zone.parse();
    zone.map_err(|_| ApiError::internal("the org's zone is none that this build knows"))
}
