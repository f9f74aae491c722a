//! `trackagoat`: the one binary. It wires the services together and holds no rule of its own.
//!
//! May depend on: everything of ours but testkit.
//!
//! Architecture invariant: nothing below knows this crate; what it does could be done by any
//! program that holds the same addresses and credentials.

mod bench;
mod import;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::telemetry::chain;

/// Follow creators: an event-sourced service with an org-scoped API.
#[derive(Debug, Parser)]
#[command(name = "trackagoat", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Bench),
    /// Send real data through the public API.
    #[command(subcommand)]
    Import(import::Import),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> ExitCode {
    // Once, before the first client: reqwest brings no provider of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (clock, entropy) = (Clock::system(), Entropy::os());
    match command {
        Command::Bench(bench) => match bench.run(clock, entropy).await {
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

#[expect(
    clippy::print_stderr,
    reason = "errors of a command go to the terminal"
)]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::FAILURE
}
