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
/// Bytes that an acknowledgement may have, headers and all; its names, numbers and MAC take some 300.
const BYTES_MAX: usize = 1_024;

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
        let is_small = message.length <= BYTES_MAX;
        let Some(ack) = is_small.then(|| bus::Ack::read(&message)).flatten() else {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::ids::{GlobalPosition, LogEpoch};
    use runtime::clock::{Monotonic, MonotonicRaw};
    use uuid::Uuid;

    use super::*;
    use crate::bus::tests::acknowledged;
    use crate::core::barrier::LeaseRow;

    const NOW: WaitPoint = WaitPoint {
        mono: Monotonic::from_nanos(0),
        raw: MonotonicRaw::from_nanos(0),
    };

    fn id(number: u128) -> IncarnationId {
        IncarnationId::from_uuid(Uuid::from_u128(number))
    }

    fn epoch(number: u128) -> LogEpoch {
        LogEpoch::from_uuid(Uuid::from_u128(number))
    }

    fn key(number: u8) -> MacKey {
        MacKey::new(&[number; 32])
    }

    /// Whose keys they are: the replica of a number has the key of that number.
    fn keys(replicas: impl IntoIterator<Item = u8>) -> HashMap<IncarnationId, MacKey> {
        let known = |number: u8| (id(number.into()), key(number));
        replicas.into_iter().map(known).collect()
    }

    fn ack(replica: u128, log: u128, applied: u64) -> bus::Ack {
        bus::Ack {
            epoch: epoch(log),
            incarnation: id(replica),
            applied: GlobalPosition::new(applied),
        }
    }

    /// What a replica says of the first log, with its own key.
    fn genuine(replica: u8, applied: u64) -> Message {
        acknowledged(&key(replica), &ack(replica.into(), 1, applied))
    }

    /// Who knows the keys of replicas 1 and 2.
    fn acks() -> Acks {
        let acks = Acks::default();
        acks.learn(keys([1, 2]));
        acks
    }

    /// Whom a barrier at position 10 of the first log still waits for.
    fn waiting(acks: &Acks, replicas: &[u128]) -> Vec<IncarnationId> {
        let row = |number: &u128| LeaseRow {
            incarnation: id(*number),
            term: Duration::from_secs(2),
            renew_seq: 0,
            applied: GlobalPosition::ZERO,
            epoch: epoch(1),
        };
        let rows: Vec<_> = replicas.iter().map(row).collect();
        let mut barrier = Barrier::new(GlobalPosition::new(10), epoch(1), NOW, &rows, NOW);
        acks.tell(&mut barrier, NOW);
        barrier.waiting().collect()
    }

    #[test]
    fn an_acknowledgement_settles_its_own_replica_alone() {
        let acks = acks();
        acks.take(genuine(1, 9));
        assert_eq!(waiting(&acks, &[1, 2]), [id(1), id(2)], "it is too low");
        acks.take(genuine(1, 10));
        assert_eq!(waiting(&acks, &[1, 2]), [id(2)]);
        acks.take(genuine(2, 11));
        assert_eq!(waiting(&acks, &[1, 2]), []);
    }

    #[test]
    fn an_old_one_repeated_takes_nothing_back_and_adds_nothing() {
        let acks = acks();
        let old = genuine(1, 9);
        acks.take(old.clone());
        acks.take(old.clone());
        assert_eq!(waiting(&acks, &[1]), [id(1)]);
        acks.take(genuine(1, 10));
        acks.take(old);
        assert_eq!(waiting(&acks, &[1]), []);
    }

    #[test]
    fn forgeries_settle_nobody() {
        let mut altered = genuine(1, 9);
        let text = String::from_utf8_lossy(&altered.payload).replace(":9", ":99");
        assert_ne!(text.as_bytes(), &altered.payload[..]);
        altered.payload = text.into_bytes().into();
        let mut unsigned = genuine(1, 10);
        unsigned.headers = None;
        let mut elsewhere = genuine(1, 10);
        elsewhere.subject = bus::ack_subject(id(2)).into();
        let forged = [
            (
                "with the key of another",
                acknowledged(&key(2), &ack(1, 1, 10)),
            ),
            ("altered", altered),
            ("without a MAC", unsigned),
            ("under another's subject", elsewhere),
            ("of another log", acknowledged(&key(1), &ack(1, 2, 10))),
        ];
        for (what, message) in forged {
            // Both ways in: its key is known, or is learnt only later.
            let known = acks();
            known.take(message.clone());
            assert_eq!(waiting(&known, &[1, 2]), [id(1), id(2)], "{what}");
            let later = Acks::default();
            later.take(message);
            later.learn(keys([1, 2]));
            assert_eq!(waiting(&later, &[1, 2]), [id(1), id(2)], "{what}");
        }
    }

    #[test]
    fn what_comes_before_its_row_is_seen_counts_once_it_is() {
        let acks = acks();
        let heard = acks.count();
        acks.take(genuine(3, 10));
        assert!(!heard.has_changed().expect("it lives"), "nothing is known");
        assert_eq!(waiting(&acks, &[3]), [id(3)]);
        // A look that began before the row was made.
        acks.learn(keys([1, 2]));
        assert_eq!(waiting(&acks, &[3]), [id(3)]);
        acks.learn(keys([1, 2, 3]));
        assert_eq!(waiting(&acks, &[3]), []);
    }

    #[test]
    fn every_acknowledgement_that_counts_wakes_who_waits() {
        let acks = acks();
        let mut heard = acks.count();
        heard.mark_unchanged();
        acks.take(genuine(1, 10));
        assert!(heard.has_changed().expect("it lives"));
        heard.mark_unchanged();
        acks.take(acknowledged(&key(2), &ack(1, 1, 11)));
        assert!(!heard.has_changed().expect("it lives"), "a forgery");
    }

    #[test]
    fn whose_row_is_gone_is_forgotten() {
        let acks = acks();
        acks.take(genuine(1, 10));
        acks.learn(keys([2]));
        assert!(acks.lock().newest.is_empty());
        acks.learn(keys([1, 2]));
        assert_eq!(waiting(&acks, &[1]), [id(1)]);
    }

    #[test]
    fn strangers_fill_no_memory_and_push_out_only_the_oldest() {
        let acks = acks();
        acks.take(genuine(3, 10));
        for stranger in 0..UNKNOWN {
            acks.take(acknowledged(&key(9), &ack(1_000 + stranger as u128, 1, 10)));
        }
        assert_eq!(acks.lock().unknown.len(), UNKNOWN);
        acks.take(genuine(4, 10));
        assert_eq!(acks.lock().unknown.len(), UNKNOWN);
        acks.learn(keys([3, 4]));
        assert_eq!(waiting(&acks, &[3, 4]), [id(3)]);
        acks.take(genuine(3, 10));
        assert_eq!(waiting(&acks, &[3, 4]), [], "it says so again");
    }
}
