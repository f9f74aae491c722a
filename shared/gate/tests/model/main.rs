//! T0 (faults.md 7): every order of steps of the revocation protocol for one key, with the code of
//! `gate::core` in every step.
//!
//! `shared/gate/README.md`, "Proofs", says how to run it and what it showed. A name runs that
//! configuration alone, `--trace` shows the shortest way to what it finds, `TGA_DEEP=1` runs all of
//! them, `THREADS` says with how many threads.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its answer is text"
)]

mod coordinator;
mod coverage;
mod explore;
mod live;
mod protocol;
mod replica;
mod request;
mod runs;
mod state;
mod time;

use std::process::ExitCode;

use mimalloc::MiMalloc;
use testkit::proven;

use self::explore::{Shown, explore};
use self::runs::Run;

/// Most of what it does is to make states and to drop them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let runs = runs::all();
    // Other flags are those of the usual test harness, and mean nothing here.
    let (flags, names): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let is_known = |name: &&String| runs.iter().any(|run| run.name == **name);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        eprintln!("there is no configuration {unknown}; there are:");
        for run in &runs {
            eprintln!("  {:<22} {}", run.name, run.about);
        }
        return ExitCode::from(2);
    }
    let is_deep = std::env::var_os("TGA_DEEP").is_some_and(|deep| deep == "1");
    let is_chosen = |run: &&Run| match names.as_slice() {
        [] => run.quick || is_deep,
        names => names.iter().any(|name| name == run.name),
    };
    let with_trace = flags.iter().any(|flag| flag == "--trace");
    let mut shown = Shown::default();
    let chosen = runs.iter().filter(is_chosen);
    let unexpected = chosen
        .filter(|run| !explore(run, with_trace, &mut shown))
        .count();
    proven(&[
        ("configurations", shown.configurations),
        ("states", shown.states),
        ("faults", shown.faults),
        ("faults_found", shown.faults_found),
    ]);
    if unexpected == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{unexpected} not as expected");
        ExitCode::FAILURE
    }
}
