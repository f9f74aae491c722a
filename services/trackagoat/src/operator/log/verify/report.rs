//! What was found.

use std::fmt;
use std::process::ExitCode;

use domain::ids::GlobalPosition;

use crate::terminal::say;

/// What can be said of it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it was recorded.
    Sound,
    /// Something is not.
    Wrong,
    /// Nothing wrong was found, but not all can be proven.
    Unproven,
}

/// What to exit with if it could not be looked: also that of arguments that cannot be.
pub const NOT_VERIFIED: u8 = 2;

impl Verdict {
    /// [`NOT_VERIFIED`] is none of them.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Sound => ExitCode::SUCCESS,
            Self::Wrong => ExitCode::FAILURE,
            Self::Unproven => ExitCode::from(3),
        }
    }
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The event, or the first of several of which one is wrong; none: it is no event.
    pub first: Option<GlobalPosition>,
    /// The last of them.
    pub last: Option<GlobalPosition>,
    /// What is wrong.
    pub what: String,
}

impl Fault {
    /// Of one event.
    pub fn at(position: GlobalPosition, what: impl Into<String>) -> Self {
        Self {
            first: Some(position),
            last: None,
            what: what.into(),
        }
    }

    /// Of one or more of several.
    pub fn between(first: GlobalPosition, last: GlobalPosition, what: impl Into<String>) -> Self {
        Self {
            first: Some(first),
            last: (last > first).then_some(last),
            what: what.into(),
        }
    }

    /// Of something that is no event.
    pub fn beside(what: impl Into<String>) -> Self {
        Self {
            first: None,
            last: None,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (Some(first), None) => write!(f, "WRONG at position {first}: {}", self.what),
            (Some(first), Some(last)) => {
                write!(f, "WRONG at positions {first} to {last}: {}", self.what)
            }
            (None, _) => write!(f, "WRONG: {}", self.what),
        }
    }
}

/// All that is told.
#[derive(Debug, Default)]
pub struct Report {
    /// What was looked at, line by line.
    pub told: Vec<String>,
    /// What could not be proven.
    pub unproven: Vec<String>,
    /// What is wrong, if anything is.
    pub fault: Option<Fault>,
}

impl Report {
    /// Adds a line on what was looked at.
    pub fn tell(&mut self, line: impl Into<String>) {
        self.told.push(line.into());
    }

    /// Adds a line on what cannot be proven.
    pub fn doubt(&mut self, line: impl Into<String>) {
        self.unproven.push(line.into());
    }

    /// What it comes to.
    pub const fn verdict(&self) -> Verdict {
        if self.fault.is_some() {
            Verdict::Wrong
        } else if self.unproven.is_empty() {
            Verdict::Sound
        } else {
            Verdict::Unproven
        }
    }

    /// To whoever ran the command.
    pub fn print(&self) {
        for line in &self.told {
            say(line);
        }
        for line in &self.unproven {
            say(format_args!("not proven: {line}"));
        }
        match (&self.fault, self.verdict()) {
            (Some(fault), _) => say(fault),
            (None, Verdict::Unproven) => say("nothing wrong was found"),
            (None, _) => say("everything is as it was recorded"),
        }
    }
}
