//! The driver of a request: the real `look_up`, stopped after each thing it reads.
//!
//! A request that is halfway through is what it has read so far. To go on, it is run from its
//! beginning: what it read before is told again, the next thing is read of the state as it is now,
//! and if it wants more than that, this run counts for nothing but the one thing that it read. So
//! the order of the reads is the core's own.

use gate::core::clocks::{Deadlines, FencePoint};
use gate::core::hold::RestsOn;
use gate::core::lookup::{Denied, Found, Known, Reads, look_up};
use gate::core::mutant::Mutant;
use gate::core::stamp::Stamp;

use crate::coverage::Case;
use crate::live::{HASH, Live, PEER};
use crate::protocol::Protocol;
use crate::state::{Began, Coordinator, Handler, Read, World};

/// Tells what was read before, then reads one thing more.
struct Steps<'a> {
    live: &'a Live,
    clock: FencePoint,
    before: std::slice::Iter<'a, Read>,
    fresh: Option<Read>,
    has_read: bool,
    wants_more: bool,
}

impl Steps<'_> {
    /// What was read before; none if it is to be read now.
    fn again(&mut self) -> Option<Read> {
        let before = self.before.next().copied();
        if before.is_none() {
            self.wants_more |= self.has_read;
            self.has_read = true;
        }
        before
    }

    fn keep(&mut self, read: Read) {
        self.fresh.get_or_insert(read);
    }
}

impl Reads for Steps<'_> {
    fn deadlines(&mut self) -> Deadlines {
        match self.again() {
            Some(Read::Deadlines(deadlines)) => deadlines,
            Some(other) => panic!("it read {other:?} before"),
            None => {
                let deadlines = self.live.follower.deadlines();
                self.keep(Read::Deadlines(deadlines));
                deadlines
            }
        }
    }

    fn find(&mut self) -> Found {
        match self.again() {
            Some(Read::Entry(facts)) => Found::Entry(self.live.entry(facts.stamp), facts),
            Some(Read::Refused(rests_on)) => Found::Refused(rests_on),
            Some(Read::Nothing) => Found::Nothing,
            Some(other) => panic!("it read {other:?} before"),
            None => {
                let found = self.live.find();
                self.keep(match &found {
                    Found::Entry(_, facts) => Read::Entry(*facts),
                    Found::Refused(rests_on) => Read::Refused(*rests_on),
                    Found::Nothing => Read::Nothing,
                });
                found
            }
        }
    }

    /// No step of its own: there is one generation.
    fn floor(&mut self) -> Stamp {
        self.live.follower.trusted().lease().floor()
    }

    fn now(&mut self) -> FencePoint {
        assert!(self.again().is_none(), "it decides once it read the clocks");
        self.clock
    }

    /// No step of its own: there is one log.
    fn rests_on(&mut self, tomb: Stamp) -> RestsOn {
        self.live.follower.trusted().rests_on(tomb)
    }
}

/// What one more step leads to.
enum Stepped {
    Read(Read),
    Accepted,
    Denied(Denied),
    Ask,
}

fn step(live: &mut Live, before: &[Read], clock: FencePoint) -> Stepped {
    let mut steps = Steps {
        live,
        clock,
        before: before.iter(),
        fresh: None,
        has_read: false,
        wants_more: false,
    };
    let known = look_up(&mut steps, &HASH, PEER, live.now());
    if let (true, Some(read)) = (steps.wants_more, steps.fresh) {
        return Stepped::Read(read);
    }
    match known {
        Known::Allowed(_) => Stepped::Accepted,
        Known::Denied(denied) => Stepped::Denied(denied),
        Known::Ended(denied, offer) => {
            let taken = live.follower.take(offer);
            assert_eq!(taken, Ok(false), "there is one log");
            Stepped::Denied(denied)
        }
        Known::Ask => Stepped::Ask,
    }
}

impl World {
    /// A client sends its first byte.
    pub fn begin(&mut self, index: usize) {
        let began = Began {
            late: self.coordinator == Coordinator::Returned,
            inverted: self.told,
        };
        self.replica(index).handler = Handler::Looking(began, Vec::new());
    }

    /// The request reads one thing more.
    pub fn look(&mut self, protocol: &Protocol, index: usize) {
        let now = self.now;
        let replica = self.replica(index);
        let handler = std::mem::replace(&mut replica.handler, Handler::Idle);
        let Handler::Looking(began, mut reads) = handler else {
            panic!("nothing is looked up");
        };
        let clock = replica.fence_point(now);
        match replica.core.with(|live| step(live, &reads, clock)) {
            Stepped::Read(read) => {
                reads.push(read);
                replica.handler = Handler::Looking(began, reads);
            }
            Stepped::Accepted => {
                protocol.seen.note(Case::AcceptedFromCache);
                self.accept(began);
            }
            Stepped::Denied(denied) => self.tell(protocol, index, denied),
            Stepped::Ask if Mutant::JoinedLoad.is_active() && replica.load.is_some() => {
                replica.handler = Handler::Joined(began);
            }
            Stepped::Ask => replica.handler = Handler::Asking(began),
        }
    }

    /// VERIFY: the request's own statement, and its answer.
    pub fn verify(&mut self, protocol: &Protocol, index: usize) {
        let (now, head) = (self.now, self.head);
        let replica = self.replica(index);
        let Handler::Asking(began) = std::mem::replace(&mut replica.handler, Handler::Idle) else {
            panic!("nobody asks");
        };
        replica.see(protocol, head, now);
        let decision = replica.core.with(|live| {
            let judged = live.judge(head);
            offer(live, protocol, judged.offer);
            judged.decision.map(|_| ())
        });
        match decision {
            Ok(()) => {
                protocol.seen.note(Case::AcceptedByVerify);
                self.accept(began);
            }
            Err(denied) => self.tell(protocol, index, denied),
        }
    }

    /// Another request asks the primary.
    pub fn load_read(&mut self, index: usize) {
        let head = self.head;
        self.replica(index).load = Some(head);
    }

    /// What it was answered reaches the apply task, and whoever joined it.
    pub fn load_insert(&mut self, protocol: &Protocol, index: usize) {
        let now = self.now;
        let replica = self.replica(index);
        let Some(head) = replica.load.take() else {
            panic!("nothing is loaded");
        };
        replica.see(protocol, head, now);
        let decision = replica.core.with(|live| {
            let judged = live.judge(head);
            offer(live, protocol, judged.offer);
            judged.decision.map(|_| ())
        });
        if let Handler::Joined(began) = replica.handler {
            replica.handler = Handler::Idle;
            match decision {
                Ok(()) => self.accept(began),
                Err(denied) => self.tell(protocol, index, denied),
            }
        }
    }

    fn accept(&mut self, began: Began) {
        self.late_accept |= began.late;
        self.inverted_accept |= began.inverted;
    }

    /// Tells the client, or says that the denial is not in force everywhere yet.
    fn tell(&mut self, protocol: &Protocol, index: usize, denied: Denied) {
        if !protocol.tells {
            return;
        }
        let returned = self.coordinator == Coordinator::Returned;
        let now = self.now;
        let replica = self.replica(index);
        let at = replica.wait_point(now);
        let may_tell = match denied.rests_on {
            Some(rests_on) => replica.hold.cover(rests_on, at),
            None => true,
        };
        protocol.seen.note(match (may_tell, returned) {
            (false, _) => Case::KeptBack,
            (true, true) => Case::ToldOnceSettled,
            (true, false) => Case::ToldAfterTheBound,
        });
        self.told |= may_tell;
    }
}

/// What a request found reaches the apply task at once; later is another request's part.
fn offer(live: &mut Live, protocol: &Protocol, offer: Option<gate::core::lookup::Offer>) {
    if let Some(offer) = offer
        && live.follower.take(offer).is_err()
    {
        protocol.seen.note(Case::StaleOfferDiscarded);
    }
}
