//! `trackagoat doctor`: what is missing or misconfigured, and the command that mends it. It looks
//! and changes nothing.

mod archive;
mod database;
mod erasures;
mod finding;
mod host;
mod nats;
mod signatures;
mod subscribers;

use std::process::ExitCode;

use clap::Args;
use runtime::clock::Clock;
use runtime::telemetry::chain;

use self::finding::{Finding, Findings};
use crate::operator::{ConnectError, Place, Target, connect};
use crate::subscribers::SubscriberArgs;

/// Looks at this machine, and at the servers that are named or that a running `trackagoat dev` has.
/// Exit code 1 if something must be mended.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    subscribers: SubscriberArgs,
}

impl Doctor {
    /// Looks at everything and prints what it found.
    pub async fn run(&self, clock: &Clock) -> ExitCode {
        let mut findings = Findings::default();
        let place = self.target.place();
        if place.as_ref().is_ok_and(|place| place.dev_folder.is_none()) {
            findings.add(Finding::fine("servers", "are given: none is started here"));
        } else {
            host::look_for_programs(&mut findings);
        }
        host::look(&mut findings);
        match place {
            Ok(place) => servers(&place, clock, &mut findings).await,
            Err(error) => findings.add(nowhere(&error)),
        }
        subscribers::look(self.subscribers.access(), clock, &mut findings).await;
        findings.print();
        if findings.is_healthy() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

async fn servers(place: &Place, clock: &Clock, findings: &mut Findings) {
    findings.add(ledger(place));
    let log = match connect(place, clock).await {
        Ok(mut connection) => {
            let log = database::look(&mut connection, place, clock, findings).await;
            if log.is_some() {
                erasures::look(place, clock, findings).await;
            }
            log
        }
        Err(error) => {
            findings.add(
                Finding::broken("database", chain(&error))
                    .mend("start it, or name the right one with TGA_DATABASE_URL_FILE"),
            );
            None
        }
    };
    match &place.nats {
        Ok(url) => nats::look(url.as_ref(), log.as_ref(), clock, findings).await,
        Err(error) => findings.add(nats::unreadable(error)),
    }
}

fn ledger(place: &Place) -> Finding {
    const WHAT: &str = "revocation ledger";
    let Some(folder) = &place.ledger.ledger_dir else {
        let none = "none: a restore of the database may bring back what was revoked or erased";
        return Finding::warning(WHAT, none)
            .mend("set TGA_LEDGER_DIR to a folder on another volume");
    };
    // What cannot be looked at is for the probe to say.
    if folder.try_exists().is_ok_and(|is_there| !is_there) {
        let missing = format_args!("{} is not there yet", folder.display());
        return Finding::warning(WHAT, missing)
            .mend("the first command service makes it; if one runs, name its folder");
    }
    match gate::Ledger::probe(folder, "doctor") {
        Ok(()) => Finding::fine(WHAT, folder.display()),
        Err(error) => Finding::broken(WHAT, chain(&error))
            .mend("no command service starts without it: let its user write there"),
    }
}

fn nowhere(error: &ConnectError) -> Finding {
    match error {
        ConnectError::Nowhere(folder) => Finding::warning(
            "database",
            format_args!(
                "none is named, and no `trackagoat dev` runs in {}",
                folder.display()
            ),
        )
        .mend("deploy/run, or name one with TGA_DATABASE_URL_FILE"),
        error => Finding::broken("database", chain(error))
            .mend("correct TGA_DATABASE_URL or TGA_DATABASE_URL_FILE"),
    }
}
