//! Clients around a round of revocations: they ask every service with every key all the time, and
//! everything that they saw is kept for the judge.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use testkit::history::{Outcome, Revocation};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Answer, Key, Target, answer};
use crate::limits::{
    BURSTS, FRESH_WITHIN, LATENESS_PERIOD, READ_PERIOD, REVOKE_AGAIN, REVOKE_TIMEOUT,
    REVOKED_WITHIN, TAIL, UNDER_WAY, WRITE_PERIOD,
};
use crate::seen::{Revoked, Seen};

/// Refusals of a key by a command service, after which it is not asked again: each is a look-up.
const REFUSALS: u32 = 4;
/// Tries after which a command service that cannot check who asks is given up.
const BEGUN_AFTER: u32 = 50;

/// Clients that ask until it is dropped.
pub struct Watch(Clients);

#[derive(Clone)]
struct Clients(Arc<Inner>);

struct Inner {
    targets: Mutex<Vec<Target>>,
    victims: Vec<Key>,
    control: Key,
    admin: Key,
    seen: Mutex<Seen>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What a service is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// To read something, or, where it writes, to write something.
    Something,
    /// What there is not.
    Nothing,
}

impl Watch {
    /// Begins to ask.
    pub fn start(targets: Vec<Target>, victims: Vec<Key>, control: Key, admin: Key) -> Self {
        let clients = Clients(Arc::new(Inner {
            targets: Mutex::default(),
            victims,
            control,
            admin,
            seen: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }));
        clients.spawn(clients.clone().time_the_machine());
        let watch = Self(clients);
        for target in targets {
            watch.join(target);
        }
        watch
    }

    /// Asks one service more.
    pub fn join(&self, target: Target) {
        self.0.targets().push(target.clone());
        self.0.spawn(self.0.clone().pester(target));
    }

    pub fn victims(&self) -> &[Key] {
        &self.0.0.victims
    }

    /// Revokes all victims at once, in turn at each command service, and again until it succeeds.
    pub fn revoke(&self) -> JoinHandle<Vec<Revoked>> {
        let mut commands = self.0.targets().clone();
        commands.retain(|one| !one.is_query);
        let order = |victim: usize| {
            let mut commands = commands.clone();
            let first = victim % commands.len();
            commands.rotate_left(first);
            commands
        };
        self.revoke_in((0..self.victims().len()).map(order).collect())
    }

    /// Revokes all victims at once, each first at the first of these command services.
    pub fn revoke_at(&self, commands: &[Target]) -> JoinHandle<Vec<Revoked>> {
        self.revoke_in(vec![commands.to_vec(); self.victims().len()])
    }

    /// Has this command service begin to revoke all victims; nobody need be there to end it.
    pub fn begin_at(&self, command: &Target) -> JoinHandle<()> {
        let (clients, command) = (self.0.clone(), command.clone());
        let count = self.victims().len();
        self.0.0.tasks.spawn(async move {
            let tries = (0..count).map(|victim| clients.begin(victim, &command));
            futures_util::future::join_all(tries).await;
        })
    }

    fn revoke_in(&self, orders: Vec<Vec<Target>>) -> JoinHandle<Vec<Revoked>> {
        let clients = self.0.clone();
        self.0.0.tasks.spawn(async move {
            let tries = orders.into_iter().enumerate();
            let tries = tries.map(|(victim, order)| clients.clone().revoke_one(victim, order));
            futures_util::future::join_all(tries).await
        })
    }

    /// Goes on for a while, then ends and gives what was seen.
    pub async fn finish(self) -> Seen {
        Clock::system().sleep(TAIL).await;
        let clients = self.0.clone();
        drop(self);
        clients.0.tasks.close();
        clients.0.tasks.wait().await;
        let mut seen = clients.seen();
        std::mem::take(&mut *seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.0.stop.cancel();
    }
}

impl Clients {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    fn targets(&self) -> MutexGuard<'_, Vec<Target>> {
        self.0
            .targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks one service with every key in turn.
    async fn pester(self, target: Target) {
        let clock = Clock::system();
        let room = || Arc::new(Semaphore::new(UNDER_WAY));
        // A replica that cannot read still says whom it lets in: reads that wait must not hide that.
        let (for_something, for_nothing) = (room(), room());
        let is_query = target.is_query;
        let period = if is_query { READ_PERIOD } else { WRITE_PERIOD };
        let mut refusals = vec![0; self.0.victims.len()];
        for turn in 0_usize.. {
            let wait = self.0.stop.run_until_cancelled(clock.sleep(period)).await;
            if wait.is_none() {
                return;
            }
            let keys = self.0.victims.len() + usize::from(is_query);
            let key = turn % keys;
            let question = self.question(&target, key, turn / keys);
            let room = match question {
                Question::Something => &for_something,
                Question::Nothing => &for_nothing,
            };
            let Ok(place) = Arc::clone(room).try_acquire_owned() else {
                continue;
            };
            if let Some(refused) = refusals.get_mut(key).filter(|_| !is_query) {
                *refused = self.refusals(&target.name, key);
                if *refused >= REFUSALS {
                    continue;
                }
            }
            let (watch, target) = (self.clone(), target.clone());
            self.spawn(async move {
                watch.ask(&target, key, question).await;
                drop(place);
            });
        }
    }

    fn refusals(&self, name: &str, key: usize) -> u32 {
        let id = self.0.victims[key].id;
        let seen = self.seen();
        let of_key = seen.requests.iter().filter(|(by, key, request)| {
            by == name && *key == id && request.outcome == Outcome::Refused
        });
        u32::try_from(of_key.count()).unwrap_or(u32::MAX)
    }

    /// A query service is asked with victims for nothing in every other turn.
    fn question(&self, target: &Target, key: usize, turn: usize) -> Question {
        let is_victim = key < self.0.victims.len();
        if is_victim && target.is_query && turn % 2 == 1 {
            Question::Nothing
        } else {
            Question::Something
        }
    }

    /// Asks once; after the last victim comes the key that nobody revokes.
    async fn ask(&self, target: &Target, key: usize, question: Question) {
        let control = &self.0.control;
        let key = self.0.victims.get(key).unwrap_or(control);
        let answer = match question {
            Question::Something => key.ask(target).await,
            Question::Nothing => key.ask_for_nothing(target).await,
        };
        let is_write = !target.is_query && answer.is(StatusCode::CREATED);
        let mut seen = self.seen();
        if key.id == control.id {
            let (asked, answered) = seen.control.entry(target.name.clone()).or_default();
            *asked += 1;
            *answered += u64::from(answer.is(StatusCode::OK));
        }
        if let Some(position) = answer.position.filter(|_| is_write) {
            seen.writes.push((position, key.id));
        }
        seen.note(&target.name, key.id, &answer);
    }

    async fn revoke_one(self, victim: usize, commands: Vec<Target>) -> Revoked {
        let clock = Clock::system();
        let deadline = clock.monotonic() + REVOKED_WITHIN;
        for (failed, command) in (0..).zip(commands.iter().cycle()) {
            match self.attempt(victim, command, failed).await {
                Ok(revoked) => return revoked,
                Err(answer) => assert!(
                    clock.monotonic() < deadline,
                    "a key could not be revoked: {}",
                    answer.told()
                ),
            }
            clock.sleep(REVOKE_AGAIN).await;
        }
        unreachable!("there is a command service")
    }

    /// Tries until the service knows who asks and has its turn: what it said before, it said without
    /// doing anything.
    async fn begin(&self, victim: usize, command: &Target) {
        for failed in 0..BEGUN_AFTER {
            match self.attempt(victim, command, failed).await {
                Err(answer) if answer.code.as_deref().is_some_and(did_nothing) => {
                    Clock::system().sleep(REVOKE_AGAIN).await;
                }
                _ => return,
            }
        }
    }

    /// One try, of which everything is noted.
    async fn attempt(
        &self,
        victim: usize,
        command: &Target,
        failed: u32,
    ) -> Result<Revoked, Answer> {
        let key = &self.0.victims[victim];
        let path = format!("/api-keys/{}", key.id);
        let request = self.0.admin.request(command, Method::DELETE, &path);
        let begun = crate::client::now();
        self.seen()
            .histories
            .of(&key.id)
            .revocations
            .push(Revocation {
                begun,
                succeeded: None,
            });
        let answer = answer(request.timeout(REVOKE_TIMEOUT)).await;
        if answer.is(StatusCode::OK) {
            self.burst(victim).await;
        }
        let told = format!("DELETE {}", answer.told());
        *self.seen().answers.entry(told).or_default() += 1;
        self.succeeded(key, failed, begun, &answer).ok_or(answer)
    }

    fn succeeded(&self, key: &Key, failed: u32, begun: u64, answer: &Answer) -> Option<Revoked> {
        if !answer.is(StatusCode::OK) {
            return None;
        }
        let returned = answer.ended;
        let receipt = serde_json::from_value(answer.body["data"].clone());
        let revoked = Revoked {
            key: key.id,
            receipt: receipt.expect("200 comes with a receipt"),
            begun,
            returned,
            failed,
        };
        let mut seen = self.seen();
        let tries = &mut seen.histories.of(&key.id).revocations;
        let own = tries.iter_mut().find(|one| one.begun == begun);
        own.expect("it was noted").succeeded = Some(returned);
        seen.revoked.push(revoked.clone());
        Some(revoked)
    }

    /// Asks with a key that has just been revoked: every replica at once, and every service more
    /// than once.
    async fn burst(&self, victim: usize) {
        let targets = self.targets().clone();
        for target in targets.iter().filter(|target| target.is_query) {
            let (clients, target) = (self.clone(), target.clone());
            let mut ask =
                Box::pin(async move { clients.ask(&target, victim, Question::Something).await });
            // Begun here: whatever else waits for this runtime's threads comes later.
            let begin = poll_fn(|context| Poll::Ready(ask.as_mut().poll(context).is_ready()));
            if !begin.await {
                self.spawn(ask);
            }
        }
        for (turn, after) in (1..).zip(BURSTS) {
            let (clients, targets) = (self.clone(), targets.clone());
            self.spawn(async move {
                Clock::system().sleep(after).await;
                let asked = targets.iter().map(|target| {
                    let question = clients.question(target, victim, turn);
                    clients.ask(target, victim, question)
                });
                futures_util::future::join_all(asked).await;
            });
        }
    }

    /// Notes by how much this machine wakes sleepers too late.
    async fn time_the_machine(self) {
        let clock = Clock::system();
        while !self.0.stop.is_cancelled() {
            let due = clock.monotonic() + LATENESS_PERIOD;
            clock.sleep_until(due).await;
            let late = clock.monotonic().saturating_since(due);
            let mut seen = self.seen();
            seen.late = seen.late.max(late);
            seen.wakes.0 += 1;
            seen.wakes.1 += u64::from(late <= FRESH_WITHIN);
        }
    }
}

fn did_nothing(code: &str) -> bool {
    ["verification_unavailable", "conflict", "not_committed"].contains(&code)
}
