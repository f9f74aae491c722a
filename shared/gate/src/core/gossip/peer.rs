//! What one process knows of another.

use std::time::Duration;

use domain::ids::IncarnationId;
use runtime::clock::Boottime;

use super::message::{Filling, Message, State};
use crate::core::fleet::{SILENCE, TICK};
use crate::core::others::Slot;

/// Between two tellings again to a process that does not say it knows: the first, and the longest.
const FILL_AGAIN: Duration = Duration::from_millis(250);
const FILL_AGAIN_MAX: Duration = Duration::from_secs(8);
/// How long a process without a row counts after it was heard last: then what it may have admitted
/// meanwhile has left every window.
const COUNTS_FOR: Duration = Duration::from_mins(1);

/// Another process.
#[derive(Debug)]
pub struct Peer {
    /// Its number in the windows.
    pub slot: Slot,
    /// The row that stands for it, and when it said so first.
    pub row: Option<(IncarnationId, Boottime)>,
    /// All that it told in messages up to this number is known.
    pub known: u64,
    /// Up to which message of ours it says that it knows everything.
    pub has: u64,
    /// What it says of itself.
    pub state: State,
    /// The newest messages that came without a gap: first and last.
    run: (u64, u64),
    first_heard: Option<Boottime>,
    last_heard: Option<Boottime>,
    last_mentioned: Boottime,
    /// All that it admitted before is known.
    fresh_at: Option<Boottime>,
    fill_at: Boottime,
    fill_wait: Duration,
}

impl Peer {
    /// Of which nothing is known but that somebody speaks of it.
    pub fn new(slot: Slot, now: Boottime) -> Self {
        Self {
            slot,
            row: None,
            known: 0,
            has: 0,
            state: State::default(),
            run: (0, 0),
            first_heard: None,
            last_heard: None,
            last_mentioned: now,
            fresh_at: None,
            fill_at: now,
            fill_wait: FILL_AGAIN,
        }
    }

    /// Whether a message is newer than all that came.
    pub fn is_new(&self, message: &Message) -> bool {
        message.number > self.run.1
    }

    /// Takes what a new message says of its process. `has`: up to which message of ours it knows
    /// everything, which was read at `sent_at` if that was not too long ago.
    pub fn hear(&mut self, message: &Message, has: u64, sent_at: Option<Boottime>, now: Boottime) {
        if message.number != self.run.1 + 1 {
            self.run.0 = message.number;
        }
        self.run.1 = message.number;
        let fills = |Filling { from, first }| from <= self.known + 1 && self.run.0 <= first;
        // A run that follows a gap begins beyond the next that would be known.
        if self.run.0 <= self.known || message.fills.is_some_and(fills) {
            self.known = message.number;
        }
        if self.row.map(|(row, _)| row) != message.row {
            self.row = message.row.map(|row| (row, now));
        }
        self.state = message.state;
        self.first_heard.get_or_insert(now);
        self.last_heard = Some(now);
        self.has = has;
        // It had that message of ours when it counted what this one tells.
        if self.known == message.number && !message.state.is_behind {
            self.fresh_at = self.fresh_at.max(sent_at);
        }
    }

    /// Somebody who hears it speaks of it.
    pub fn mention(&mut self, row: Option<IncarnationId>, now: Boottime) {
        self.last_mentioned = now;
        // It knows best itself.
        if self.last_heard.is_none() && self.row.map(|(row, _)| row) != row {
            self.row = row.map(|row| (row, now));
        }
    }

    /// Until when enough is known of it; none if it is missed already. One that begins has admitted
    /// next to nothing, and is waited for.
    pub fn seen_until(&self, now: Boottime) -> Option<Boottime> {
        let fresh = self.fresh_at.map(|at| at + SILENCE);
        let begins = self.first_heard.filter(|_| self.state.begins);
        let until = fresh.max(begins.map(|at| at + SILENCE))?;
        (now < until).then_some(until)
    }

    /// Whether all is known of it, as of a moment ago.
    pub fn is_current(&self, now: Boottime) -> bool {
        self.fresh_at.is_some_and(|at| now < at + SILENCE)
    }

    /// Whether anything at all was heard of it lately.
    pub fn is_heard(&self, now: Boottime) -> bool {
        self.last_heard.is_some_and(|at| now < at + SILENCE)
    }

    /// Since when it is late with its tick, which it may send no more.
    pub fn silent_since(&self, now: Boottime) -> Option<Boottime> {
        let since = self.last_heard.unwrap_or(self.last_mentioned);
        (self.last_heard.is_none() || now >= since + 2 * TICK).then_some(since)
    }

    /// Whether it was first heard within so long, or does not know yet what was admitted before.
    pub fn began_within(&self, within: Duration, now: Boottime) -> bool {
        let began = self.first_heard.is_some_and(|at| now < at + within);
        self.is_heard(now) && (began || self.state.begins)
    }

    /// Whether nobody at all hears it.
    pub fn is_lost(&self, now: Boottime) -> bool {
        !self.is_heard(now) && now >= self.last_mentioned + SILENCE
    }

    /// Whether it admits nothing any more, as far as rows read since `read_at` can tell.
    pub fn is_gone(&self, rows: Option<(&Rows, Boottime)>, now: Boottime) -> bool {
        match (self.row, rows) {
            _ if self.is_heard(now) => false,
            (Some((row, said_at)), Some((rows, read_at))) => {
                read_at > said_at && !rows.contains(row)
            }
            (Some(_), None) => false,
            (None, _) => {
                now >= self.last_mentioned.max(self.last_heard.unwrap_or_default()) + COUNTS_FOR
            }
        }
    }

    /// Whether something is to be told to it again; then not again for a while. `due`: it should
    /// know everything up to this message of ours by now.
    pub fn must_fill(&mut self, due: u64, now: Boottime) -> bool {
        if self.has >= due {
            self.fill_wait = FILL_AGAIN;
            return false;
        }
        if now < self.fill_at || !self.is_heard(now) {
            return false;
        }
        self.fill_at = now + self.fill_wait;
        self.fill_wait = (self.fill_wait * 2).min(FILL_AGAIN_MAX);
        true
    }
}

/// The rows of gate.leases, and since when each is known.
#[derive(Debug, Default)]
pub struct Rows(Vec<(IncarnationId, Option<Boottime>)>);

impl Rows {
    /// Takes a reading. What the first one holds may have been there for long.
    pub fn read(before: Option<&Self>, rows: &[IncarnationId], now: Boottime) -> Self {
        let since = |row: &IncarnationId| {
            let before = before?;
            let known = before.0.iter().find(|(known, _)| known == row);
            known.map_or(Some(now), |(_, since)| *since)
        };
        Self(rows.iter().map(|row| (*row, since(row))).collect())
    }

    /// Whether the row is there.
    pub fn contains(&self, row: IncarnationId) -> bool {
        self.0.iter().any(|(other, _)| *other == row)
    }

    /// Rows, and until when the processes they stand for are waited for; none if they are missed.
    pub fn all(&self, now: Boottime) -> impl Iterator<Item = (IncarnationId, Option<Boottime>)> {
        self.0.iter().map(move |(row, since)| {
            let until = since.map(|since| since + SILENCE);
            (*row, until.filter(|until| now < *until))
        })
    }
}
