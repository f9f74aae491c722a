//! Every wait, retry and queue of the rig, with its unit.

use std::time::Duration;

/// Query services.
pub const QUERIES: usize = 3;
/// Command services.
pub const COMMANDS: usize = 2;
/// Keys that one round revokes, at once.
pub const VICTIMS: usize = 3;
/// Source addresses that keys call from in turn: the brake on guessing counts by address, and a
/// program that goes on with an ended key is a guesser.
pub const SOURCES: u8 = 96;

/// The lease term D.
pub const TERM: Duration = Duration::from_secs(2);
/// W, the longest that a revocation may wait.
pub const BOUND: Duration = Duration::from_millis(2_475);
/// The longest time between two renewals of a healthy replica.
pub const RENEWAL: Duration = Duration::from_millis(880);
/// What L1 adds to W.
pub const BOUND_GRACE: Duration = Duration::from_millis(200);
/// What a call may take besides its barrier however calm the machine seems: three durable writes
/// (commit, settlement, second copy), each of which waits for a disk that nobody here watches. The
/// barrier itself is held to W by its own clock; how fast a call is, `deploy/bench revoke` says.
pub const CALL_BESIDES: Duration = Duration::from_secs(1);
/// L2: within so long after a fault has healed all is as before.
pub const RECOVERS_WITHIN: Duration = Duration::from_secs(2);
/// What renewals alone may take to end a barrier.
pub const BY_RENEWALS: Duration = Duration::from_secs(1);
/// A replica is asked anew within so long after each revocation has returned.
pub const FRESH_WITHIN: Duration = Duration::from_millis(5);
/// The share of revocations after which every replica was asked so soon, of those after which a
/// sleeper would have woken so soon.
pub const FRESH_SHARE: f64 = 0.95;
/// However few sleepers wake in time: below, nothing is proven.
pub const FRESH_FLOOR: f64 = 0.6;
/// L3: the share of requests that unaffected replicas answer.
pub const ANSWERED_SHARE: f64 = 0.999;
/// A machine that wakes a sleeper later than this says nothing about speed.
pub const LATE: Duration = Duration::from_millis(100);
/// Between two looks at that.
pub const LATENESS_PERIOD: Duration = Duration::from_millis(10);

/// Between two requests to one query service.
pub const READ_PERIOD: Duration = Duration::from_millis(8);
/// Between two requests to one command service.
pub const WRITE_PERIOD: Duration = Duration::from_millis(50);
/// Requests of one kind under way to one service; beyond, none is begun.
pub const UNDER_WAY: usize = 16;
/// A request that is not answered by then says nothing.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(8);
/// A question of the rig's own.
pub const ASK_TIMEOUT: Duration = Duration::from_millis(700);
/// When, after a revocation has returned, every service is asked.
pub const BURSTS: [Duration; 3] = [
    Duration::from_millis(10),
    Duration::from_millis(40),
    Duration::from_millis(150),
];
/// How long requests go on after the last event of a round.
pub const TAIL: Duration = Duration::from_millis(300);

/// One try to revoke.
pub const REVOKE_TIMEOUT: Duration = Duration::from_secs(7);
/// Between two tries.
pub const REVOKE_AGAIN: Duration = Duration::from_millis(100);
/// All tries together.
pub const REVOKED_WITHIN: Duration = Duration::from_secs(40);

/// A service, or a server, is ready.
pub const READY_WITHIN: Duration = Duration::from_mins(1);
/// A service that was told to ends.
pub const ENDS_WITHIN: Duration = Duration::from_secs(30);
/// Everything is as before a row.
pub const CALM_WITHIN: Duration = Duration::from_secs(30);
/// What a row waits for besides.
pub const SOON: Duration = Duration::from_secs(20);
/// Events of one read of the log.
pub const LOG_PAGE: u16 = 5_000;
