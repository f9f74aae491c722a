//! T3 (faults.md 7): real processes under real faults. Three query and two command services,
//! Postgres and NATS, each in a network namespace of its own, are asked over HTTP around every
//! revocation by clients of one machine and one clock; what these saw is judged by the checker that
//! also judges the simulator.
//!
//! `cargo test -p trackagoat --test rig` runs the rows that fit a few minutes; `TGA_DEEP=1` runs
//! every row that this kind of machine can inject, and pairs of the main ones. `TGA_RIG_ROWS=2,12`
//! runs these alone; `TGA_RIG_CUTS` says how often row 23 cuts the power, of each of its three
//! kinds, and row 48 goes on for `TGA_RIG_SOAK_SECONDS` with the faults of `TGA_RIG_SEED`.
//! `TGA_RIG_FAULTS=1` runs instead what must be seen of processes with deliberate faults.
//! `TGA_RIG_MUTANT_BINARY` names a binary with the feature `mutants`, which that and some rows need.
#![expect(
    clippy::future_not_send,
    reason = "rows run one after another, on one thread"
)]

mod aside;
mod cgroup;
mod client;
mod counters;
mod disk;
mod judge;
mod limits;
mod net;
mod office;
mod process;
mod register;
mod report;
mod rig;
mod rows;
mod seen;
mod servers;
mod setup;
mod watch;

use std::env;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures_util::FutureExt;
use runtime::clock::Clock;

use crate::judge::Findings;
use crate::net::Net;
use crate::report::{Report, Verdict, say};
use crate::rig::Rig;
use crate::rows::{Needs, Row};

/// Why nothing here is paused from outside.
const NO_MACHINES: &str =
    "needs /dev/kvm, qemu and a guest system; the simulator has machines that sleep";

/// Threads of the clients.
const THREADS: usize = 2;

fn main() -> ExitCode {
    if rows::clocks::read_if_asked() {
        return ExitCode::SUCCESS;
    }
    let net = Net::up();
    // Before there are other threads: they follow.
    net.enter_hub();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    let is_sound = runtime.block_on(Box::pin(run(net)));
    if is_sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn run(net: Net) -> bool {
    let deep = env::var_os("TGA_DEEP").is_some_and(|deep| deep == "1");
    let asked = env::var("TGA_RIG_ROWS").ok();
    let asked: Option<Vec<&str>> = asked.as_deref().map(|rows| rows.split(',').collect());
    let missing = net.missing.clone();
    if let Some(reason) = &missing {
        say(format_args!(
            "no network namespaces ({reason}): rows that need them are skipped"
        ));
    }
    let mut report = Report::default();
    let mut whole = Findings::default();
    let mut rig = Rig::start(net).await;
    let faults = env::var_os("TGA_RIG_FAULTS").is_some_and(|faults| faults == "1");
    let rows = if faults {
        rows::faults::all()
    } else {
        rows::all(deep)
    };
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| {
            asked
                .as_ref()
                .is_none_or(|asked| asked.contains(&row.name.as_str()))
        })
        .collect();
    for row in &rows {
        let verdict = one(&mut rig, row, &mut report, &mut whole).await;
        if row.must_be_seen() {
            report.fault(verdict);
        }
    }
    for name in asked.iter().flatten() {
        let is_known = rows.iter().any(|row| row.name == *name);
        whole.expect(is_known, || format!("there is no row {name}"));
    }
    let is_whole = asked.is_none() && missing.is_none() && !faults;
    let own = is_whole.then(|| rows::own_counters(deep));
    conclude(&mut rig, &mut whole, own, deep).await;
    let verdict = if whole.problems.is_empty() {
        Verdict::Holds
    } else {
        Verdict::Broken
    };
    report.row(
        "all",
        "the whole log; what must have happened",
        verdict,
        &whole,
        0.0,
    );
    let counters = rig.counters.all(rows::own_counters(deep), deep);
    for (what, count) in &counters {
        say(format_args!("{count:>12} {what}"));
    }
    let name = if faults {
        "rig-faults.json"
    } else {
        "rig.json"
    };
    let file = report.write(name, deep, &counters, missing.as_deref());
    say(format_args!("{} written", file.display()));
    if report.broken > 0 {
        let logs = rig.folder.path().display().to_string();
        say(format_args!(
            "{} rows are broken; logs stay in {logs}",
            report.broken
        ));
        rig.folder.disable_cleanup(true);
    }
    report.broken == 0
}

/// Runs one row from a calm beginning. What panics in it is its problem alone.
async fn one(rig: &mut Rig, row: &Row, report: &mut Report, whole: &mut Findings) -> Verdict {
    rig.found = Findings::default();
    if let Some(reason) = row.needs.iter().find_map(|need| need.lacks(rig)) {
        rig.found.note(reason);
        report.row(&row.name, row.about, Verdict::Skipped, &rig.found, 0.0);
        return Verdict::Skipped;
    }
    let clock = Clock::system();
    let began = clock.monotonic();
    let body = async {
        rig.mend().await;
        row.run(rig).await;
    };
    if let Err(panic) = AssertUnwindSafe(body).catch_unwind().await {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        rig.found
            .problems
            .push(text.unwrap_or_else(|| "it panicked".to_owned()));
    }
    rig.absorb().await;
    let seconds = clock.monotonic().saturating_since(began).as_secs_f64();
    let found = std::mem::take(&mut rig.found);
    let verdict = if found.problems.is_empty() {
        Verdict::Holds
    } else {
        Verdict::Broken
    };
    report.row(&row.name, row.about, verdict, &found, seconds);
    whole.add(found);
    verdict
}

/// What can only be said of a whole run; of one with every row also that all has happened that it
/// is there for.
async fn conclude(rig: &mut Rig, whole: &mut Findings, own: Option<&[&'static str]>, deep: bool) {
    let log = rig.log();
    whole.judge_log(&log, &rig.acknowledged).await;
    whole.expect_fresh();
    whole.expect_tampering();
    let writes = rig.acknowledged.writes.len();
    whole.note(format!("{writes} writes with keys that were then revoked"));
    let Some(own) = own else { return };
    whole.expect(writes > 0, || {
        "S7 is empty: no key wrote anything".to_owned()
    });
    for (what, count) in rig.counters.all(own, deep) {
        whole.expect(count > 0, || {
            format!("never happened, so nothing is proven: {what}")
        });
    }
}

impl Needs {
    /// Why a row that needs it cannot be run here.
    pub fn lacks(self, rig: &Rig) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Namespaces => rig.net.missing.clone(),
            Self::FakeTime => rows::clocks::missing(),
            Self::TurnedAndCut => rig.net.missing.clone().or_else(rows::clocks::missing),
            Self::Groups => cgroup::missing(),
            Self::Disk => disk::missing(),
            Self::BaseBackup => rows::restore::missing(),
            Self::Memory => rows::memory::missing(),
            Self::Drill => rows::faults::missing(),
            Self::Machine => Some(NO_MACHINES.to_owned()),
            Self::Elsewhere(reason) => Some(format!("not seen here: {reason}")),
            Self::Mutants => rows::faults::missing().or_else(|| Self::TurnedAndCut.lacks(rig)),
        }
    }
}
