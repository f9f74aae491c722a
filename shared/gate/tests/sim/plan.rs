//! What a seed does: how the network behaves, what breaks when, what is revoked when.

use std::time::Duration;

use crate::rng::Rng;

pub const MICRO: u64 = 1_000;
pub const MILLI: u64 = 1_000 * MICRO;
pub const SECOND: u64 = 1_000 * MILLI;

/// A renewal waits for 400 ms.
pub const SLOW_LINE: u64 = 350 * MILLI;
/// When the last fault has passed.
const CALM: u64 = 8 * SECOND;
/// When the run ends.
pub const END: u64 = 14 * SECOND;

/// Something that breaks.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// A query process is cut off from everything.
    CutOff(usize, u64),
    /// One more query process starts.
    Join(usize),
    /// All command processes end.
    KillCommands(u64),
    /// A query process does nothing for so long.
    PauseReplica(usize, u64),
    /// A query process ends without a word, and its machine starts another after so long.
    KillReplica(usize, u64),
    /// It leaves in order, and its machine starts another after so long.
    Leave(usize, u64),
    /// It is paused, and meanwhile another is started in its place.
    Twin(usize, u64),
    /// Its machine sleeps: some of its clocks stand still.
    Sleep(usize, u64),
    CutReplicaFromPrimary(usize, u64),
    CutReplicaFromBus(usize, u64),
    PauseCommand(usize, u64),
    KillCommand(usize, u64),
    CutCommandFromPrimary(usize, u64),
    CutCommandFromBus(usize, u64),
    /// Postgres does nothing for so long.
    StallPrimary(u64),
    /// Postgres ends everything under way, and is back after so long.
    RestartPrimary(u64),
    /// Postgres is set back to what it was so long ago, as another log.
    Restore(u64),
}

/// A change that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Revoke {
        key: usize,
    },
    Narrow {
        key: usize,
    },
    Suspend {
        org: usize,
        for_nanos: u64,
    },
    Ban {
        org: usize,
        user: usize,
    },
    Make {
        key: usize,
    },
    /// Something is done with a key.
    Act {
        by: usize,
    },
}

/// All of it.
/// Keys that nobody uses before they are revoked: what lies in caches of them was never looked at.
pub const SLEEPERS: [usize; 2] = [9, 10];

#[derive(Debug, Clone)]
pub struct Plan {
    pub term: Duration,
    pub drift: u64,
    /// Nothing breaks, so everybody must hear of everything soon.
    pub is_healthy: bool,
    /// Machines are as wrong as they may be, and each of its clocks in the same way.
    pub extreme: bool,
    /// The longest time between two steps of a request.
    pub step: u64,
    pub replicas: usize,
    pub commands: usize,
    pub orgs: usize,
    /// Keys there are at the start.
    pub keys: usize,
    /// Entries that a cache holds.
    pub cache: usize,
    pub base_delay: u64,
    /// One message of so many thousand is late by up to `late_by`.
    pub late: u64,
    pub late_by: u64,
    /// One message of so many thousand between a query process and Postgres is late by up to
    /// `SLOW_LINE`.
    pub slow_lines: u64,
    pub lost: u64,
    pub twice: u64,
    /// How long a commit takes, how long a slow one does at most, and how many of a thousand are slow.
    pub commit: u64,
    pub slow_commit: u64,
    pub slow: u64,
    pub faults: Vec<(u64, Fault)>,
    pub wishes: Vec<(u64, Wish)>,
}

impl Plan {
    pub fn of(rng: &mut Rng) -> Self {
        let terms = [1_000, 2_000, 2_000, 2_000, 5_000];
        let term = Duration::from_millis(*rng.pick(&terms));
        let (replicas, commands, orgs) = (3, 2, 3);
        let keys = 9 + SLEEPERS.len();
        let mut plan = Self {
            term,
            drift: *rng.pick(&[0, 20, 100]),
            is_healthy: false,
            extreme: false,
            step: *rng.pick(&[60 * MICRO, 60 * MICRO, 20 * MILLI]),
            replicas,
            commands,
            orgs,
            keys,
            cache: *rng.pick(&[3, 8, 64]),
            base_delay: rng.between(50 * MICRO, 600 * MICRO),
            late: *rng.pick(&[0, 5, 50]),
            late_by: *rng.pick(&[20 * MILLI, 300 * MILLI, 3 * SECOND]),
            slow_lines: 0,
            lost: *rng.pick(&[0, 0, 10, 100, 300]),
            twice: *rng.pick(&[0, 0, 20, 200]),
            commit: rng.between(MILLI / 2, 3 * MILLI),
            slow_commit: *rng.pick(&[0, 500 * MILLI, 5 * SECOND]),
            slow: 30,
            faults: Vec::new(),
            wishes: Vec::new(),
        };
        plan.wish_for_things(rng);
        match rng.below(12) {
            0 => plan.cut_off_at_each_wish(rng),
            1 => plan.join_at_each_wish(rng),
            2 => plan.leave_at_each_wish(rng),
            3 => plan.starve(rng),
            4 => plan.crash_at_each_wish(rng),
            5 => plan.stay_healthy(),
            6 => plan.commit_slowly(rng),
            _ => plan.break_things(rng),
        }
        plan
    }

    /// One replica hears of nothing from just before each denial on, and sometimes nobody is left to
    /// settle it; clocks are as wrong as they may be.
    fn cut_off_at_each_wish(&mut self, rng: &mut Rng) {
        self.extreme = true;
        self.drift = 100;
        self.term = Duration::from_secs(2);
        self.calm_network();
        if rng.permille(600) {
            // Many a renewal takes most of the time that it has.
            self.slow_lines = 800;
        }
        self.spread_wishes(3_300 * MILLI);
        if rng.permille(200) {
            // What nobody asks for again, and no later denial settles, is left to SWEEP.
            self.wishes.truncate(1);
        }
        for (at, _) in self.wishes.clone() {
            let before = rng.below(30 * MILLI);
            let slot = usize::try_from(rng.below(3)).expect("small");
            self.faults
                .push((at - before, Fault::CutOff(slot, 3 * SECOND)));
            if rng.permille(500) {
                // After the commit, before the barrier can end.
                let after = rng.between(4 * MILLI, 40 * MILLI);
                self.faults
                    .push((at + after, Fault::KillCommands(2_600 * MILLI)));
            } else if rng.permille(300) {
                // So soon after the commit that nobody learns whom to wait for, for longer than W.
                let after = rng.between(MILLI, 5 * MILLI);
                for slot in 0..self.commands {
                    self.faults
                        .push((at + after, Fault::CutCommandFromPrimary(slot, 3 * SECOND)));
                }
            }
        }
    }

    /// A replica starts just when something is denied, and hears of nothing.
    fn join_at_each_wish(&mut self, rng: &mut Rng) {
        self.calm_network();
        self.spread_wishes(SECOND);
        for (slot, (at, _)) in (self.replicas..).zip(self.wishes.clone()) {
            let before = rng.between(MILLI, 50 * MILLI);
            self.faults.push((at - before, Fault::Join(slot)));
            self.faults
                .push((at - before + 1, Fault::CutReplicaFromBus(slot, SECOND)));
        }
    }

    /// A replica that hears of nothing leaves just when something is denied.
    fn leave_at_each_wish(&mut self, rng: &mut Rng) {
        self.calm_network();
        self.spread_wishes(2 * SECOND);
        for (at, _) in self.wishes.clone() {
            let slot = usize::try_from(rng.below(3)).expect("small");
            let before = rng.below(20 * MILLI);
            self.faults
                .push((at - before, Fault::CutReplicaFromBus(slot, SECOND)));
            self.faults
                .push((at - before / 2, Fault::Leave(slot, SECOND)));
        }
    }

    /// Postgres crashes just when a replica has begun, which then hears of nothing, and something is
    /// denied as soon as it is back.
    fn crash_at_each_wish(&mut self, rng: &mut Rng) {
        self.calm_network();
        self.spread_wishes(SECOND);
        for (slot, (at, _)) in (self.replicas..).zip(self.wishes.clone()) {
            let crash = at - rng.between(25 * MILLI, 100 * MILLI);
            self.faults.extend([
                (
                    crash - rng.between(60 * MILLI, 400 * MILLI),
                    Fault::Join(slot),
                ),
                (crash - MILLI, Fault::CutOff(slot, SECOND)),
                (crash, Fault::RestartPrimary(20 * MILLI)),
            ]);
        }
    }

    /// A denial is written long before it is committed, and then one replica hears of it later than
    /// the others.
    fn commit_slowly(&mut self, rng: &mut Rng) {
        self.term = Duration::from_secs(2);
        self.calm_network();
        self.slow_commit = 5 * SECOND;
        self.slow = 1_000;
        self.spread_wishes(3_300 * MILLI);
        for (at, _) in self.wishes.clone() {
            let slot = usize::try_from(rng.below(3)).expect("small");
            self.faults
                .push((at, Fault::CutReplicaFromBus(slot, 6 * SECOND)));
        }
    }

    const fn stay_healthy(&mut self) {
        self.is_healthy = true;
        self.calm_network();
    }

    /// Requests take long between their steps, while leases run out and come back.
    fn starve(&mut self, rng: &mut Rng) {
        self.step = *rng.pick(&[20 * MILLI, 100 * MILLI]);
        self.term = Duration::from_secs(1);
        self.calm_network();
        self.spread_wishes(2 * SECOND);
        for (at, _) in self.wishes.clone() {
            let slot = usize::try_from(rng.below(3)).expect("small");
            let long = rng.between(1_200 * MILLI, 1_900 * MILLI);
            self.faults
                .push((at - rng.below(30 * MILLI), Fault::CutOff(slot, long)));
        }
    }

    const fn calm_network(&mut self) {
        self.late = 0;
        self.lost = 0;
        self.twice = 0;
        self.slow_commit = 0;
        self.cache = 64;
    }

    /// Denials that come one after the other, and nothing else.
    fn spread_wishes(&mut self, apart: u64) {
        let denials = self.wishes.iter().map(|(_, wish)| *wish);
        let denials: Vec<Wish> = denials
            .filter(|wish| matches!(wish, Wish::Revoke { key } if *key < self.keys))
            .collect();
        let times = (0..)
            .map(|n| SECOND + n * apart)
            .take_while(|at| *at < CALM);
        self.wishes = times.zip(denials).collect();
    }

    fn break_things(&mut self, rng: &mut Rng) {
        for _ in 0..rng.below(7) {
            let at = rng.between(SECOND / 2, CALM);
            let long = *rng.pick(&[
                50 * MILLI,
                500 * MILLI,
                1_500 * MILLI,
                3 * SECOND,
                5 * SECOND,
            ]);
            let replica = usize::try_from(rng.below(3)).expect("small");
            let command = usize::try_from(rng.below(2)).expect("small");
            let fault = match rng.below(28) {
                0..=2 => Fault::PauseReplica(replica, long),
                3..=4 => Fault::KillReplica(replica, long / 4),
                5..=6 => Fault::Leave(replica, long / 4),
                7..=9 => Fault::Twin(replica, long),
                10..=11 => Fault::Sleep(replica, long),
                12..=14 => Fault::CutReplicaFromPrimary(replica, long),
                15..=17 => Fault::CutReplicaFromBus(replica, long),
                18 => Fault::PauseCommand(command, long),
                19..=21 => Fault::KillCommand(command, long / 4),
                22 => Fault::CutCommandFromPrimary(command, long),
                23 => Fault::CutCommandFromBus(command, long),
                24..=25 => Fault::StallPrimary(long / 2),
                26 => Fault::RestartPrimary(long / 4),
                _ => Fault::Restore(long),
            };
            self.faults.push((at, fault));
        }
    }

    fn wish_for_things(&mut self, rng: &mut Rng) {
        let mut made = self.keys;
        for key in 0..self.keys {
            // Some are never touched.
            if key % 3 == 2 {
                continue;
            }
            let at = rng.between(SECOND, CALM + SECOND);
            let wish = match rng.below(10) {
                _ if SLEEPERS.contains(&key) => Wish::Revoke { key },
                0 => Wish::Narrow { key },
                1 => Wish::Ban {
                    org: key % self.orgs,
                    user: key,
                },
                _ => Wish::Revoke { key },
            };
            self.wishes.push((at, wish));
            for around in [at, at + MILLI, at + 2 * SECOND] {
                let at = around - rng.below(2 * MILLI);
                self.wishes.push((at, Wish::Act { by: key }));
            }
        }
        for _ in 0..3 {
            let at = rng.between(SECOND / 2, CALM);
            self.wishes.push((at, Wish::Make { key: made }));
            let later = at + rng.between(MILLI, 2 * SECOND);
            self.wishes.push((later, Wish::Revoke { key: made }));
            made += 1;
        }
        if rng.permille(500) {
            let org = self.orgs - 1;
            let for_nanos = rng.between(3 * SECOND, 4 * SECOND);
            let at = rng.between(SECOND, CALM / 2);
            self.wishes.push((at, Wish::Suspend { org, for_nanos }));
        }
    }
}
