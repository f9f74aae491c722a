//! What replicas acknowledge, as far as it is theirs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::Message;
use domain::ids::IncarnationId;
use metrics::counter;
use tokio::sync::watch;

use crate::bus::{self, MacKey};
use crate::core::barrier::{Ack, Barrier};
use crate::core::clocks::WaitPoint;
use crate::metrics as names;

/// Acknowledgements kept of replicas whose key is not known yet.
const UNKNOWN: usize = 256;

/// The newest acknowledgement of each replica.
#[derive(Default)]
pub struct Acks {
    heard: Mutex<Heard>,
    /// Counts them, to wake who waits.
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Heard {
    newest: HashMap<IncarnationId, Ack>,
    keys: HashMap<IncarnationId, MacKey>,
    /// Their rows are newer than the last look.
    unknown: VecDeque<Message>,
}

impl Acks {
    /// Takes what one replica says of itself; forgeries are counted and ignored.
    pub fn take(&self, message: Message) {
        let Some(ack) = bus::Ack::read(&message) else {
            return refuse();
        };
        let mut heard = self.lock();
        match heard.keys.get(&ack.incarnation) {
            Some(key) if key.signs(&message) => heard.note(&ack),
            Some(_) => return refuse(),
            None => {
                if heard.unknown.len() >= UNKNOWN {
                    heard.unknown.pop_front();
                }
                heard.unknown.push_back(message);
                return;
            }
        }
        drop(heard);
        self.wake();
    }

    /// Takes the keys of all rows there are; whose row is gone is forgotten.
    pub fn learn(&self, keys: HashMap<IncarnationId, MacKey>) {
        let mut heard = self.lock();
        heard
            .newest
            .retain(|incarnation, _| keys.contains_key(incarnation));
        heard.keys = keys;
        let unknown = std::mem::take(&mut heard.unknown);
        for message in unknown {
            let Some(ack) = bus::Ack::read(&message) else {
                continue;
            };
            match heard.keys.get(&ack.incarnation) {
                Some(key) if key.signs(&message) => heard.note(&ack),
                Some(_) => refuse(),
                // It may have come while the rows were read.
                None => heard.unknown.push_back(message),
            }
        }
        drop(heard);
        self.wake();
    }

    /// Tells a barrier what is known of those it waits for.
    pub fn tell(&self, barrier: &mut Barrier, now: WaitPoint) {
        let heard = self.lock();
        for incarnation in barrier.waiting().collect::<Vec<_>>() {
            if let Some(ack) = heard.newest.get(&incarnation) {
                barrier.ack(incarnation, *ack, now);
            }
        }
    }

    /// Changes with every acknowledgement.
    pub fn count(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn wake(&self) {
        self.count
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn note(&mut self, ack: &bus::Ack) {
        let (incarnation, ack) = (ack.incarnation, ack.newest());
        let known = self.newest.entry(incarnation).or_insert(ack);
        if known.epoch != ack.epoch || known.applied < ack.applied {
            *known = ack;
        }
    }
}

fn refuse() {
    counter!(names::FORGED).increment(1);
}
