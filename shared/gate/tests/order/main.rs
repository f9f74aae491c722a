//! T1 (faults.md 7): every order of memory accesses by requests, a loader and the apply task, as
//! loom knows them, with the cells of `gate::core`.
//!
//! `shared/gate/README.md`, "Proofs", says how to run it and what it covers.
#![expect(clippy::print_stdout, reason = "its answer is text")]

mod scenes;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use gate::core::mutant::Mutant;
use loom::model::Builder;
use runtime::clock::Clock;
use testkit::proven;

use self::scenes::{ALL, Scene};

/// Involuntary switches of threads in one order; orders with more of them are left out.
const PREEMPTIONS: usize = 2;
/// The same with `TGA_DEEP=1`.
const PREEMPTIONS_DEEP: usize = 3;

fn main() -> ExitCode {
    let mut as_expected = true;
    let (mut orders, mut faults, mut found) = (0, BTreeSet::new(), BTreeSet::new());
    for scene in &ALL {
        println!("{}: {}", scene.name, scene.about);
        let (is_right, played) = play(scene, None);
        as_expected &= is_right;
        orders += played;
        for mutant in scene.finds {
            let (is_right, _) = play(scene, Some(*mutant));
            as_expected &= is_right;
            faults.insert(mutant.name());
            if is_right {
                found.insert(mutant.name());
            }
        }
    }
    proven(&[
        ("scenes", ALL.len() as u64),
        ("orders", orders),
        ("faults", faults.len() as u64),
        ("faults_found", found.len() as u64),
    ]);
    if as_expected {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays a scene in every order, and says whether it showed what it must, and how many there were.
fn play(scene: &Scene, mutant: Option<Mutant>) -> (bool, u64) {
    let clock = Clock::system();
    let started = clock.monotonic();
    let orders = Arc::new(AtomicUsize::new(0));
    let (counted, act) = (Arc::clone(&orders), scene.play);
    Mutant::choose(mutant);
    let first = Arc::new(OnceLock::new());
    let noted = Arc::clone(&first);
    // Of many panics, since every thread of an order that is given up ends in one.
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some() {
            noted.get_or_init(|| panic.to_string());
        }
    }));
    // In a thread of its own: a panic leaves loom's own state behind.
    let played = std::thread::spawn(move || {
        let mut builder = Builder::new();
        builder.preemption_bound = Some(bound());
        builder.max_branches = 100_000;
        builder.check(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            act();
        });
    });
    let is_violated = played.join().is_err();
    let _ = std::panic::take_hook();
    Mutant::choose(None);
    let as_expected = is_violated == mutant.is_some();
    println!(
        "{:<15} {:<22} orders={:>8} {:<8} {:>6.1}s {}",
        scene.name,
        mutant.map_or("-", Mutant::name),
        orders.load(Ordering::Relaxed),
        if is_violated { "VIOLATED" } else { "holds" },
        clock.monotonic().saturating_since(started).as_secs_f64(),
        if as_expected {
            "as expected"
        } else {
            "UNEXPECTED"
        },
    );
    if let (false, Some(panic)) = (as_expected, first.get()) {
        println!("  {panic}");
    }
    (as_expected, orders.load(Ordering::Relaxed) as u64)
}

fn bound() -> usize {
    let is_deep = std::env::var_os("TGA_DEEP").is_some_and(|deep| deep == "1");
    if is_deep {
        PREEMPTIONS_DEEP
    } else {
        PREEMPTIONS
    }
}
