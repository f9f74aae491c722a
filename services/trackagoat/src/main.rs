//! `trackagoat`: the one binary. It wires the services together and holds no rule of its own.
//!
//! May depend on: everything of ours but testkit.
//!
//! Architecture invariant: nothing below knows this crate; what it does could be done by any
//! program that holds the same addresses and credentials.

mod arguments;
mod bench;
mod database;
mod dev;
mod doctor;
mod import;
mod leases;
mod migrate;
#[cfg(feature = "mutants")]
mod mutant;
mod nats;
mod new_keys;
mod operator;
mod projections;
mod serve;
mod services;
mod subscribers;
mod terminal;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::telemetry::{self, TelemetryConfig};

use crate::operator::Action;

/// A request makes some forty allocations, and a million keys some seven millions.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Follow creators: an event-sourced service with an org-scoped API.
#[derive(Debug, Parser)]
#[command(name = "trackagoat", version, about)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryConfig,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything in one directory.
    Dev(Box<dev::Dev>),
    /// Run one role against servers that are given.
    #[command(subcommand)]
    Serve(serve::Serve),
    Bench(bench::Bench),
    /// Orgs, their plans and limits.
    Orgs(OperatorCommand<operator::Orgs>),
    /// Persons of an org: invited, shut out, let in again.
    Members(OperatorCommand<operator::Members>),
    /// A token with which the first admin sets the service up, while nobody belongs to any org. It is
    /// printed this once and ends after an hour.
    SetupToken(operator::Target),
    /// API keys of an org.
    Keys(OperatorCommand<operator::Keys>),
    /// Persons and creators whose data is to be readable no more.
    Erase(OperatorCommand<operator::Erase>),
    /// The log as a whole: told again, looked into, archived, and after a restore.
    Log(OperatorCommand<operator::Log>),
    /// Builds of the read model: listed, made anew beside the one that answers, switched to, dropped.
    Projections(projections::Projections),
    /// How long replicas may trust their caches.
    Leases(OperatorCommand<leases::Leases>),
    /// Bring a database of the log up to date.
    Migrate(migrate::Migrate),
    /// Say what is missing or misconfigured, and what mends it.
    Doctor(doctor::Doctor),
    /// What NATS and query services need for subscribers.
    #[command(subcommand)]
    Nats(new_keys::Nats),
    /// Send real data through the public API.
    #[command(subcommand)]
    Import(import::Import),
}

/// What the operator does, and on which servers.
#[derive(Debug, Args)]
struct OperatorCommand<Action: Subcommand> {
    #[command(flatten)]
    target: operator::Target,
    #[command(subcommand)]
    action: Action,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "mutants")]
    mutant::choose();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => fail(&error),
    }
}

async fn run(cli: Cli) -> ExitCode {
    // Once, before the first client: reqwest brings no provider of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (clock, entropy) = (Clock::system(), Entropy::os());
    match cli.command {
        Command::Dev(dev) => match telemetry::init(&cli.telemetry) {
            Ok(telemetry) => {
                let metrics = telemetry.metrics.clone();
                let ended = Box::pin(dev.run(metrics, clock, entropy)).await;
                ended.unwrap_or_else(|error| fail(&error))
            }
            Err(error) => fail(&error),
        },
        Command::Serve(serve) => match telemetry::init(&cli.telemetry) {
            Ok(telemetry) => {
                let ended = Box::pin(serve.run(telemetry.metrics.clone())).await;
                ended.unwrap_or_else(|error| fail(&error))
            }
            Err(error) => fail(&error),
        },
        Command::Bench(bench) => match bench.run(clock, entropy).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Command::Orgs(OperatorCommand { target, action }) => {
            operate(&target, Action::Orgs(action), clock, entropy).await
        }
        Command::Members(OperatorCommand { target, action }) => {
            operate(&target, Action::Members(action), clock, entropy).await
        }
        Command::SetupToken(target) => operate(&target, Action::SetupToken, clock, entropy).await,
        Command::Keys(OperatorCommand { target, action }) => {
            operate(&target, Action::Keys(action), clock, entropy).await
        }
        Command::Erase(OperatorCommand { target, action }) => {
            operate(&target, Action::Erase(action), clock, entropy).await
        }
        Command::Log(OperatorCommand { target, action }) => {
            Box::pin(action.run(&target, clock, entropy)).await
        }
        Command::Leases(OperatorCommand { target, action }) => {
            match action.run(&target, &clock).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error),
            }
        }
        Command::Projections(projections) => {
            match Box::pin(projections.run(&clock, &entropy)).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&error),
            }
        }
        Command::Migrate(migrate) => match migrate.run(&clock).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Command::Doctor(doctor) => doctor.run(&clock).await,
        Command::Nats(new_keys::Nats::NewKeys(new_keys)) => match new_keys.run(&entropy) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Command::Import(import) => match import.run(clock, entropy).await {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => fail(&error),
        },
    }
}

async fn operate(
    target: &operator::Target,
    action: Action,
    clock: Clock,
    entropy: Entropy,
) -> ExitCode {
    match action.run(target, clock, entropy).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    terminal::complain(error);
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn servers_are_named_behind_the_action_too() {
        for arguments in [
            ["trackagoat", "orgs", "list", "--data-dir", "here"],
            ["trackagoat", "orgs", "--data-dir", "here", "list"],
        ] {
            let parsed = super::Cli::command().try_get_matches_from(arguments);
            assert!(parsed.is_ok(), "{arguments:?}");
        }
    }

    #[test]
    fn the_command_line_does_not_contradict_itself() {
        super::Cli::command().debug_assert();
    }
}
