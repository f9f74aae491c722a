//! `trackagoat doctor`: what is missing or misconfigured, and the command that mends it. It looks
//! and changes nothing.

mod database;
mod finding;
mod host;
mod nats;

use std::process::ExitCode;

use clap::Args;
use runtime::clock::Clock;
use runtime::telemetry::chain;

use self::finding::{Finding, Findings};
use crate::operator::{ConnectError, Target, connect};

/// Looks at this machine, and at the servers that are named or that a running `trackagoat dev` has.
/// Exit code 1 if something must be mended.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    target: Target,
}

impl Doctor {
    /// Looks at everything and prints what it found.
    pub async fn run(&self, clock: &Clock) -> ExitCode {
        let mut findings = Findings::default();
        host::look(&mut findings);
        match self.target.urls() {
            Ok((database, nats_url)) => {
                let log = match connect(&database, clock).await {
                    Ok(mut connection) => {
                        database::look(&mut connection, clock, &mut findings).await
                    }
                    Err(error) => {
                        findings
                            .add(Finding::broken("database", chain(&error)).mend(
                                "start it, or name the right one with TGA_DATABASE_URL_FILE",
                            ));
                        None
                    }
                };
                nats::look(nats_url.as_ref(), log.as_ref(), clock, &mut findings).await;
            }
            Err(ConnectError::Nowhere(folder)) => findings.add(
                Finding::warning(
                    "database",
                    format!(
                        "none is named, and no `trackagoat dev` runs in {}",
                        folder.display()
                    ),
                )
                .mend("deploy/run, or name one with TGA_DATABASE_URL_FILE"),
            ),
            Err(error) => findings.add(
                Finding::broken("database", chain(&error))
                    .mend("correct TGA_DATABASE_URL, TGA_NATS_URL or their files"),
            ),
        }
        findings.print();
        if findings.is_healthy() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
