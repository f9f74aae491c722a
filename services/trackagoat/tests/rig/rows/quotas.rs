//! S6: what a key is admitted in any trailing minute, and its org in a day, across replicas that are
//! asked in turn, that die, and that do not hear each other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::StatusCode;
use runtime::clock::Clock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::denials::{new_key, new_org};
use super::partitions::{Peer, cut};
use super::{REPLICAS, lasts, nanos};
use crate::client::{Key, Target, now};
use crate::judge::Findings;
use crate::net::Way;
use crate::rig::Rig;

/// L, of keys that have a window.
const LIMIT: usize = 100;
/// What the org of the other key may in a day.
const DAY: usize = 600;
/// Replicas, and command services, which count among those who admit.
const PROCESSES: usize = 5;
const WINDOW: Duration = Duration::from_mins(1);
/// How long clients ask: a window, and what comes after it.
const ASKED: Duration = Duration::from_secs(80);
/// Between two requests: three times the limit, and 95 of a hundred.
const TOO_OFTEN: Duration = Duration::from_millis(200);
const JUST_UNDER: Duration = Duration::from_millis(632);
/// Between two requests that spend the day.
const SPENT: Duration = Duration::from_millis(50);
/// g and delta of the gate's README, on a machine that is not late itself; and tau.
const HEARD_WITHIN: Duration = Duration::from_millis(50 + 100);
const SILENCE: Duration = Duration::from_secs(1);
/// When the fault begins, how long it lasts, and when the other one begins.
const FIRST: Duration = Duration::from_secs(20);
const LASTS: Duration = Duration::from_secs(10);

/// A key that is used at one pace.
struct Caller {
    name: &'static str,
    key: Key,
    /// Asked in turn.
    targets: Vec<Target>,
    period: Duration,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    all: Vec<Call>,
    late: Duration,
}

/// One request: when, and what came of it.
#[derive(Clone, Copy)]
struct Call {
    begun: u64,
    ended: u64,
    status: Option<StatusCode>,
}

/// Keys that are used until it ends.
struct Traffic {
    callers: Vec<Arc<Caller>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Everybody hears everybody.
pub async fn in_health(rig: &mut Rig) {
    let traffic = Traffic::begin(rig).await;
    lasts(ASKED).await;
    let callers = traffic.end(&mut rig.found).await;
    let heard = HEARD_WITHIN + rig.found.late;
    for caller in &callers {
        match caller.name {
            "day" => caller.judge_day(&mut rig.found),
            "one replica" => caller.judge_window(&mut rig.found, 0),
            _ => caller.judge_window(&mut rig.found, caller.busiest(heard)),
        }
    }
    let under = callers.iter().find(|caller| caller.name == "just under");
    let refused = under.map_or(0, |caller| caller.count(StatusCode::TOO_MANY_REQUESTS));
    rig.found.expect_speed(refused == 0, || {
        format!("S6: {refused} requests were refused at 95 % of the limit")
    });
}

/// One dies and comes back; later none hears another, while all are asked.
pub async fn amid_faults(rig: &mut Rig) {
    let traffic = Traffic::begin(rig).await;
    lasts(FIRST).await;
    rig.service("q3").kill();
    lasts(LASTS / 2).await;
    rig.service("q3").restart().await;
    lasts(LASTS).await;
    for name in REPLICAS {
        cut(rig, name, &[Peer::Nats], Way::Both, 100);
    }
    lasts(LASTS).await;
    for name in REPLICAS {
        rig.service(name).recipe.place.heal();
    }
    lasts(ASKED.saturating_sub(FIRST + LASTS * 5 / 2)).await;
    let callers = traffic.end(&mut rig.found).await;
    let heard = HEARD_WITHIN + rig.found.late;
    for caller in &callers {
        if caller.name == "day" {
            caller.judge_day(&mut rig.found);
            continue;
        }
        // Each row of the README's table that the two faults make true.
        let silent = caller.busiest(heard + SILENCE) + PROCESSES;
        let (died, began) = (caller.busiest(heard), LIMIT.div_ceil(2 * REPLICAS.len()));
        caller.judge_window(&mut rig.found, silent + died + began);
    }
}

impl Traffic {
    async fn begin(rig: &mut Rig) -> Self {
        let all: Vec<_> = REPLICAS.iter().map(|name| rig.target(name)).collect();
        let org = new_org(rig, "Day");
        let day = DAY.to_string();
        rig.operate(&["orgs", "set-limit", &org, "max_api_requests_per_day", &day]);
        let spends = Key::new(Uuid::nil(), new_key(rig, &org), rig.client());
        let mut callers = vec![("day", spends, all.clone(), SPENT)];
        for (name, targets, period) in [
            ("in turn", all.clone(), TOO_OFTEN),
            ("one replica", all[..1].to_vec(), TOO_OFTEN),
            ("just under", all, JUST_UNDER),
        ] {
            callers.push((name, rig.key_at(LIMIT as u64).await, targets, period));
        }
        let caller = |(name, key, targets, period)| Caller {
            name,
            key,
            targets,
            period,
            calls: Mutex::default(),
        };
        let traffic = Self {
            callers: callers.into_iter().map(caller).map(Arc::new).collect(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        for caller in &traffic.callers {
            let (tasks, stop) = (traffic.tasks.clone(), traffic.stop.clone());
            traffic.tasks.spawn(Arc::clone(caller).call(tasks, stop));
        }
        traffic
    }

    async fn end(self, found: &mut Findings) -> Vec<Arc<Caller>> {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for caller in &self.callers {
            let calls = caller.calls();
            found.late = found.late.max(calls.late);
            found.probes += calls.all.len() as u64;
        }
        self.callers
    }
}

impl Caller {
    fn calls(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(self: Arc<Self>, tasks: TaskTracker, stop: CancellationToken) {
        let clock = Clock::system();
        let mut due = clock.monotonic();
        for target in self.targets.iter().cycle() {
            due = due + self.period;
            if stop
                .run_until_cancelled(clock.sleep_until(due))
                .await
                .is_none()
            {
                return;
            }
            let late = clock.monotonic().saturating_since(due);
            let mut calls = self.calls();
            calls.late = late.max(calls.late);
            drop(calls);
            let (caller, target) = (Arc::clone(&self), target.clone());
            tasks.spawn(async move {
                let begun = now();
                let answer = caller.key.ask(&target).await;
                let call = Call {
                    begun,
                    ended: answer.ended,
                    status: answer.status,
                };
                caller.calls().all.push(call);
            });
        }
    }

    fn count(&self, status: StatusCode) -> usize {
        let calls = self.calls();
        let such = calls.all.iter().filter(|call| call.status == Some(status));
        such.count()
    }

    /// The most requests that were begun within so long.
    fn busiest(&self, within: Duration) -> usize {
        let mut begun: Vec<_> = self.calls().all.iter().map(|call| call.begun).collect();
        begun.sort_unstable();
        let until = |from: &u64| begun.partition_point(|one| *one <= from + nanos(within));
        let counts = begun.iter().enumerate();
        let counts = counts.map(|(index, from)| until(from) - index);
        counts.max().unwrap_or_default()
    }

    /// The most requests that were certainly admitted within one trailing window.
    fn most_admitted(&self) -> usize {
        let calls = self.calls();
        let admitted = calls
            .all
            .iter()
            .filter(|call| call.status == Some(StatusCode::OK));
        let admitted: Vec<_> = admitted.collect();
        let within = |from: u64| {
            let until = from + nanos(WINDOW);
            let inside = admitted.iter();
            inside
                .filter(|call| call.begun >= from && call.ended <= until)
                .count()
        };
        let counts = admitted.iter().map(|call| within(call.begun));
        counts.max().unwrap_or_default()
    }

    fn judge_window(&self, found: &mut Findings, beyond: usize) {
        let (name, most) = (self.name, self.most_admitted());
        let refused = self.count(StatusCode::TOO_MANY_REQUESTS);
        found.note(format!(
            "{name}: at most {most} of {LIMIT} in a trailing minute, {beyond} beyond may be; {refused} refused"
        ));
        found.expect(most <= LIMIT + beyond, || {
            format!(
                "S6: {name}: {most} of {LIMIT} in a trailing minute, at most {beyond} beyond may be"
            )
        });
        let must_refuse = self.period == TOO_OFTEN;
        found.expect(
            !must_refuse || (refused > 0 && most >= LIMIT * 9 / 10),
            || format!("S6 is empty: {name} was admitted {most} times and refused {refused} times"),
        );
    }

    /// Never more than the day's limit; at midnight there are two days.
    fn judge_day(&self, found: &mut Findings) {
        let calls = self.calls();
        let (first, last) = (calls.all.first(), calls.all.last());
        let took = first
            .zip(last)
            .map_or(0, |(first, last)| last.ended - first.begun);
        drop(calls);
        let began = Clock::system().now() - Duration::from_nanos(took) - Duration::from_secs(5);
        let days = 1 + usize::from(began.date_naive() != Clock::system().now().date_naive());
        let admitted = self.count(StatusCode::OK);
        let refused = self.count(StatusCode::TOO_MANY_REQUESTS);
        found.note(format!(
            "day: {admitted} of {DAY} admitted, {refused} refused"
        ));
        found.expect(admitted <= DAY * days, || {
            format!("S6: {admitted} of {DAY} were admitted in a day")
        });
        found.expect(refused > 0 && admitted > DAY / 2, || {
            format!("S6 is empty: {admitted} admitted and {refused} refused in a day")
        });
    }
}
