//! What threads do at the same time, and what none of them may then see.

use std::sync::Arc;

use gate::core::clocks::{Deadlines, FencePoint};
use gate::core::hold::RestsOn;
use gate::core::lookup::{Found, Known, Offer, Reads, look_up};
use gate::core::mutant::Mutant;
use gate::core::stamp::Stamp;
use gate::core::trusted::Cache;
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::world::{HASH, PEER, REVOKE, Shared, World, at, today};

type Thread = thread::JoinHandle<()>;

/// Offers to the apply task.
type Channel = Arc<Mutex<Option<Offer>>>;

/// A scene.
pub struct Scene {
    pub name: &'static str,
    /// What happens at once, and what must hold.
    pub about: &'static str,
    pub play: fn(),
    /// The faults that it must find.
    pub finds: &'static [Mutant],
}

/// All of them.
pub const ALL: [Scene; 6] = [
    Scene {
        name: "ack",
        about: "a renewal, the event, its ack; two requests: none that begins after the ack accepts",
        play: ack,
        finds: &[Mutant::AckBeforeApply, Mutant::WatermarkNoGuard],
    },
    Scene {
        name: "ack-and-insert",
        about: "the same, with a loader whose offer is taken before or after the event",
        play: ack_and_insert,
        finds: &[Mutant::AckBeforeApply, Mutant::StaleInsert],
    },
    Scene {
        name: "renewal",
        about: "a renewal that knows of the event, after the lease ran out, with a loader; two \
                requests: none accepts",
        play: renewal,
        finds: &[
            Mutant::LookupThenDeadline,
            Mutant::NoCatchUp,
            Mutant::StaleInsert,
        ],
    },
    Scene {
        name: "leave",
        about: "refuse, then delete the row; two requests: none that begins after that accepts",
        play: leave,
        finds: &[Mutant::LeaveRowFirst],
    },
    Scene {
        name: "reload",
        about: "drop everything, load without the key, renew; two requests: none accepts what was \
                cached before",
        play: reload,
        finds: &[],
    },
    Scene {
        name: "collect",
        about: "the event's tombstone is dropped beside a renewal and a loader; two requests: none \
                accepts",
        play: collect,
        finds: &[Mutant::CollectUnforgotten, Mutant::CollectThenInsert],
    },
];

/// What a request reads, as production's `LiveReads` does.
struct Live<'a> {
    shared: &'a Shared,
    now: FencePoint,
}

impl Reads for Live<'_> {
    fn deadlines(&mut self) -> Deadlines {
        self.shared.trusted.lease().deadlines()
    }

    fn find(&mut self) -> Found {
        if let Some(entry) = self.shared.trusted.cache().get(&HASH) {
            let facts = entry.facts(&self.shared.registry);
            return Found::Entry(entry, facts);
        }
        match self.shared.trusted.refused(&HASH) {
            Some(rests_on) => Found::Refused(rests_on),
            None => Found::Nothing,
        }
    }

    fn floor(&mut self) -> Stamp {
        self.shared.trusted.lease().floor()
    }

    fn now(&mut self) -> FencePoint {
        self.now
    }

    fn rests_on(&mut self, tomb: Stamp) -> RestsOn {
        self.shared.trusted.rests_on(tomb)
    }
}

/// A request at that second: whether it is accepted from the cache.
fn is_accepted(shared: &Shared, second: u64) -> bool {
    let now = at(second);
    let known = look_up(&mut Live { shared, now }, &HASH, PEER, today());
    matches!(known, Known::Allowed(_))
}

/// A request that must not be accepted if it begins after `done`.
fn late_request(shared: &Shared, done: &Arc<AtomicBool>) -> Thread {
    let (shared, done) = (shared.clone(), Arc::clone(done));
    thread::spawn(move || {
        let is_late = done.load(Ordering::Acquire);
        let accepted = is_accepted(&shared, 1);
        assert!(!(is_late && accepted), "accepted after it was revoked");
    })
}

/// A request that must not be accepted: the lease it began with has run out.
fn fenced_request(shared: &Shared) -> Thread {
    let shared = shared.clone();
    thread::spawn(move || assert!(!is_accepted(&shared, 3), "accepted after it was revoked"))
}

/// Another request, which asked the primary before the revocation.
fn loader(shared: &Shared, channel: &Channel) -> Thread {
    let (shared, channel) = (shared.clone(), Arc::clone(channel));
    thread::spawn(move || *channel.lock().expect("whole") = shared.offer())
}

/// The apply task takes what was offered, if anything was by now.
fn take(world: &mut World, channel: &Channel) {
    let offer = channel.lock().expect("whole").take();
    if let Some(offer) = offer {
        // Whether it was of use is not the question.
        let _ = world.follower.take(offer);
    }
}

fn join<const N: usize>(threads: [Thread; N]) {
    for thread in threads {
        thread.join().expect("it does not panic");
    }
}

fn ack() {
    let mut world = World::new();
    let renewal = world.renewal(1);
    let done = Arc::new(AtomicBool::new(false));
    let requests = [(); 2].map(|()| late_request(&world.shared, &done));
    world.renewed(&renewal, REVOKE);
    world.revoke();
    done.store(true, Ordering::Release);
    join(requests);
}

fn ack_and_insert() {
    let mut world = World::new();
    let renewal = world.renewal(1);
    let (done, channel) = (Arc::new(AtomicBool::new(false)), Channel::default());
    let requests = [(); 2].map(|()| late_request(&world.shared, &done));
    let loader = loader(&world.shared, &channel);
    world.renewed(&renewal, REVOKE);
    take(&mut world, &channel);
    world.revoke();
    done.store(true, Ordering::Release);
    take(&mut world, &channel);
    join(requests);
    join([loader]);
}

fn renewal() {
    let mut world = World::new();
    let renewal = world.renewal(2);
    let channel = Channel::default();
    let requests = [(); 2].map(|()| fenced_request(&world.shared));
    let loader = loader(&world.shared, &channel);
    world.renewed(&renewal, REVOKE);
    take(&mut world, &channel);
    world.revoke();
    take(&mut world, &channel);
    join(requests);
    join([loader]);
}

fn leave() {
    let mut world = World::new();
    let done = Arc::new(AtomicBool::new(false));
    let requests = [(); 2].map(|()| late_request(&world.shared, &done));
    world.follower.leave();
    done.store(true, Ordering::Release);
    join(requests);
}

fn reload() {
    let mut world = World::new();
    let requests = [(); 2].map(|()| fenced_request(&world.shared));
    world.follower.drop_everything();
    world.load(REVOKE);
    let renewal = world.renewal(2);
    world.renewed(&renewal, REVOKE);
    join(requests);
}

/// What the tombstone spoke to is forgotten at second 1; it is dropped at second 3, when nobody has a
/// lease any more who may have found it before.
fn collect() {
    let mut world = World::new();
    world.revoke();
    let channel = Channel::default();
    let loader = loader(&world.shared, &channel);
    let requests = [(); 2].map(|()| fenced_request(&world.shared));
    let up_to = world
        .follower
        .begin_collection(REVOKE, 1)
        .expect("it has one");
    world
        .shared
        .trusted
        .forget_overruled(&world.shared.registry);
    world.follower.forgotten(up_to, at(1));
    let renewal = world.renewal(2);
    world.renewed(&renewal, REVOKE);
    assert!(!world.follower.collect(at(2)));
    assert!(world.follower.collect(at(3)));
    take(&mut world, &channel);
    join(requests);
    join([loader]);
}
