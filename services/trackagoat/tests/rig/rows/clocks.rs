//! Rows 34 to 38: clocks that run at another rate, or show another time.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use runtime::clock::Clock;

use super::partitions::{Peer, cut};
use super::{done, lasts};
use crate::client::now;
use crate::limits::VICTIMS;
use crate::net::{Rule, Way};
use crate::process::{Recipe, Service};
use crate::report::say;
use crate::rig::{Rig, target};

/// The variable by which the rig, started again, is nothing but a reader of clocks.
const READS_CLOCKS: &str = "TGA_RIG_READS_CLOCKS";
/// Where distributions keep the library: the variant for programs with threads.
const PLACES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];
/// Within rho of the true rate.
const RATES: [&str; 2] = ["0.91", "1.09"];
/// Real time in which rates are measured, and how far the measure may be off.
const MEASURED: Duration = Duration::from_millis(400);
const TOLERANCE: f64 = 0.03;

/// Why clocks cannot be turned here.
pub fn missing() -> Option<String> {
    let none = || "no libfaketime: apt-get install libfaketime".to_owned();
    library().is_none().then(none)
}

fn library() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Row 34.
pub async fn within_bound(rig: &mut Rig) {
    let mut replicas = Vec::new();
    for (rate, place) in RATES.iter().zip(["x1", "x2"]) {
        measure(rig, rate).await;
        let mut recipe = rig.recipe("query", rig.net.place(place));
        turn(&mut recipe, rate);
        replicas.push(rig.extra(recipe).await);
    }
    for replica in &replicas {
        let is_turned = has_library(replica);
        rig.found
            .expect(is_turned, || format!("{} has its own clocks", replica.name));
    }
    for _ in 0..2 {
        let watch = rig.round_with(&[&replicas[0], &replicas[1]]).await;
        // The slow one must be fenced before anybody stops to wait for it.
        for replica in &replicas {
            replica.stop();
        }
        let revoked = done(watch.revoke()).await;
        for replica in &replicas {
            replica.go_on();
        }
        lasts(Duration::from_millis(200)).await;
        let own: Vec<_> = replicas
            .iter()
            .map(|replica| replica.name.as_str())
            .collect();
        rig.end(watch, &own).await;
        rig.found.expect(revoked.len() == VICTIMS, || {
            "a revocation did not return".to_owned()
        });
    }
    for replica in replicas {
        rig.dismiss(replica).await;
    }
}

/// Row 35, a control: a replica whose clock is out of bound, and that hears of nothing, must be seen
/// to break S1. Its strict keys must hold all the same.
pub async fn out_of_bound(rig: &mut Rig) {
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    turn(&mut recipe, "0.5");
    let slow = rig.extra(recipe).await;
    let watch = rig.round_with(&[&slow]).await;
    isolate(rig, &slow);
    done(watch.revoke()).await;
    lasts(Duration::from_millis(500)).await;
    slow.recipe.place.heal();
    rig.end_broken(watch).await;
    rig.dismiss(slow).await;
}

/// Row 36: a coordinator whose clock is fast, within the bound; then, as a control, one that is
/// twice as fast and must be seen to return too early.
pub async fn fast_coordinator(rig: &mut Rig) {
    for rate in ["1.09", "2.0"] {
        let mut recipe = rig.recipe("command", rig.net.place("x1"));
        turn(&mut recipe, rate);
        let fast = rig.extra(recipe).await;
        let watch = rig.round().await;
        let lonely = rig.service("q3").recipe.place.clone();
        cut(rig, "q3", &[Peer::Postgres, Peer::Nats], Way::Both, 100);
        done(watch.revoke_at(&[target(&fast)])).await;
        lasts(Duration::from_millis(300)).await;
        lonely.heal();
        if rate == "2.0" {
            rig.end_broken(watch).await;
        } else {
            rig.end(watch, &["q3"]).await;
        }
        rig.dismiss(fast).await;
        rig.mend().await;
    }
}

/// Row 37: the wall clocks of replicas are an hour off, and nothing but expiry dates minds.
pub async fn wall_clocks(rig: &mut Rig) {
    for (offset, place) in [("+3600", "x1"), ("-3600", "x2")] {
        let mut recipe = rig.recipe("query", rig.net.place(place));
        turn(&mut recipe, "1.0");
        recipe.variables.retain(|(name, _)| *name != "FAKETIME");
        recipe.variables.push(("FAKETIME", offset.to_owned()));
        recipe
            .variables
            .push(("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()));
        let replica = rig.extra(recipe).await;
        let watch = rig.round_with(&[&replica]).await;
        done(watch.revoke()).await;
        rig.end(watch, &[]).await;
        rig.dismiss(replica).await;
    }
}

/// Row 38: a replica whose monotonic clocks began at another time.
pub async fn other_origins(rig: &mut Rig) {
    let mut recipe = rig.recipe("query", rig.net.place("x1"));
    recipe.through = vec![
        "unshare",
        "--time",
        "--monotonic",
        "1000000",
        "--boottime",
        "7000000",
    ];
    let replica = rig.extra(recipe).await;
    let watch = rig.round_with(&[&replica]).await;
    done(watch.revoke()).await;
    rig.end(watch, &[]).await;
    rig.dismiss(replica).await;
}

/// Cuts a replica that is there for one row off from both servers.
fn isolate(rig: &Rig, service: &Service) {
    let peers = ["pg", "nats"].map(|name| rig.net.place(name).address);
    let rules = peers.map(|peer| Rule {
        peer,
        way: Way::Both,
        percent: 100,
    });
    let cut = service.recipe.place.lose(&rules);
    cut.expect("rules could be set when the rig began");
}

/// Has a process live at that rate.
pub fn turn(recipe: &mut Recipe, rate: &str) {
    let library = library().expect("it was looked for");
    recipe
        .variables
        .push(("LD_PRELOAD", library.display().to_string()));
    recipe.variables.push(("FAKETIME", format!("+0 x{rate}")));
}

fn has_library(service: &Service) -> bool {
    let maps = fs::read_to_string(format!("/proc/{}/maps", service.pid()));
    maps.is_ok_and(|maps| maps.contains("libfaketime"))
}

/// Whether the library really turns each of the four clocks, read as services read them.
async fn measure(rig: &mut Rig, rate: &str) {
    let library = library().expect("it was looked for");
    let mut child = Command::new(env::current_exe().expect("this program has a path"))
        .env(READS_CLOCKS, "1")
        .env("LD_PRELOAD", library)
        .env("FAKETIME", format!("+0 x{rate}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts");
    let (mut ask, answers) = (child.stdin.take(), child.stdout.take());
    let mut answers = BufReader::new(answers.expect("it is piped")).lines();
    let mut read = || -> Option<Vec<f64>> {
        writeln!(ask.as_mut()?).ok()?;
        let line = answers.next()?.ok()?;
        line.split(' ').map(|number| number.parse().ok()).collect()
    };
    let (first, began) = (read(), now());
    Clock::system().sleep(MEASURED).await;
    let (second, ended) = (read(), now());
    drop(ask);
    let _ = child.wait();
    let (Some(first), Some(second), Ok(expected)) = (first, second, rate.parse::<f64>()) else {
        return rig
            .found
            .problems
            .push("the clocks could not be read".to_owned());
    };
    let truly = Duration::from_nanos(ended - began).as_secs_f64();
    for (clock, (first, second)) in CLOCKS.iter().zip(first.iter().zip(second)) {
        let measured = (second - first) / 1e9 / truly;
        rig.found
            .expect_speed((measured - expected).abs() <= TOLERANCE, || {
                format!("{clock} runs at x{measured:.3}, not at x{rate}")
            });
    }
}

const CLOCKS: [&str; 4] = ["BOOTTIME", "MONOTONIC_RAW", "MONOTONIC", "REALTIME"];

/// Reads clocks, a line for a line, if that is what this process was started for.
pub fn read_if_asked() -> bool {
    if env::var_os(READS_CLOCKS).is_none() {
        return false;
    }
    let clock = Clock::system();
    for _ in io::stdin().lines() {
        let wall = clock.now().timestamp_nanos_opt().unwrap_or_default();
        say(format_args!(
            "{} {} {} {wall}",
            clock.boottime().as_nanos(),
            clock.raw().as_nanos(),
            clock.monotonic().as_nanos(),
        ));
    }
    true
}
