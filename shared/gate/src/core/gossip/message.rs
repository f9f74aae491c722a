//! What processes tell each other, and its form on the wire: big-endian, nothing left out.

use domain::ids::{IncarnationId, LogEpoch, OrgId};
use uuid::Uuid;

use crate::core::others::Admitted;

/// Counts of one message; about 18 kB.
pub const COUNTS_MAX: usize = 400;
/// Processes of one fleet.
pub const PROCESSES_MAX: usize = 255;

/// The form below; what has another is not read.
const FORM: u8 = 1;
const MISSES: u8 = 1;
const BEGINS: u8 = 2;
const LEAVES: u8 = 4;
const IS_BEHIND: u8 = 8;
const FILLS: u8 = 16;

/// One run of a process, whatever services it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(pub Uuid);

/// What one process tells all others at a tick, or a part of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who tells it.
    pub process: ProcessId,
    /// The log whose keys are counted.
    pub epoch: LogEpoch,
    /// The lease's row that stands for the process.
    pub row: Option<IncarnationId>,
    /// One more than the process's message before it; more if there is something in between that
    /// only a filling tells.
    pub number: u64,
    /// How the process stands.
    pub state: State,
    /// What it knows of others.
    pub known: Vec<Known>,
    /// With the messages from `first` on it tells all that was told from `from` on.
    pub fills: Option<Filling>,
    /// Whose counts these are: its own, or those of a process that nobody hears any more.
    pub of: ProcessId,
    /// They only grow, so it does no harm if a message is lost, repeated, or late.
    pub counts: Vec<Count>,
}

/// How a process stands with the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub struct State {
    /// It does not hear somebody.
    pub misses: bool,
    /// It has not heard yet what was admitted before it began.
    pub begins: bool,
    /// It admits nothing any more.
    pub leaves: bool,
    /// It has more to tell than it can: these messages are not all.
    pub is_behind: bool,
}

/// What a process knows of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The other.
    pub process: ProcessId,
    /// The lease's row that stands for it.
    pub row: Option<IncarnationId>,
    /// It knows all that was told in messages up to this number.
    pub number: u64,
    /// Whether it hears the other just now.
    pub current: bool,
}

/// Messages that together tell again what may have been lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling {
    /// Everything told in messages from this number on.
    pub from: u64,
    /// The first of them.
    pub first: u64,
}

/// What a process admitted of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The key or session.
    pub key: Uuid,
    /// Its org.
    pub org: OrgId,
    /// How many.
    pub admitted: Admitted,
}

impl Message {
    /// Its form on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let state = self.state;
        let mut bytes = Vec::with_capacity(128 + self.known.len() * 41 + self.counts.len() * 44);
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        bytes.push(FORM);
        bytes.push(
            flag(state.misses, MISSES)
                | flag(state.begins, BEGINS)
                | flag(state.leaves, LEAVES)
                | flag(state.is_behind, IS_BEHIND)
                | flag(self.fills.is_some(), FILLS),
        );
        for id in [self.process.0, self.epoch.as_uuid(), self.of.0] {
            bytes.extend_from_slice(id.as_bytes());
        }
        push_row(&mut bytes, self.row);
        bytes.extend_from_slice(&self.number.to_be_bytes());
        if let Some(fills) = self.fills {
            bytes.extend_from_slice(&fills.from.to_be_bytes());
            bytes.extend_from_slice(&fills.first.to_be_bytes());
        }
        push_len(&mut bytes, self.known.len());
        for known in &self.known {
            bytes.extend_from_slice(known.process.0.as_bytes());
            push_row(&mut bytes, known.row);
            bytes.extend_from_slice(&known.number.to_be_bytes());
            bytes.push(u8::from(known.current));
        }
        push_len(&mut bytes, self.counts.len());
        for count in &self.counts {
            bytes.extend_from_slice(count.key.as_bytes());
            bytes.extend_from_slice(count.org.as_uuid().as_bytes());
            bytes.extend_from_slice(&count.admitted.count.to_be_bytes());
            bytes.extend_from_slice(&count.admitted.recent.to_be_bytes());
        }
        bytes
    }

    /// Reads it; none if it is of another form, too long, or not all.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes(bytes);
        if rest.take::<1>()? != [FORM] {
            return None;
        }
        let [flags] = rest.take::<1>()?;
        let process = ProcessId(rest.uuid()?);
        let epoch = LogEpoch::from_uuid(rest.uuid()?);
        let of = ProcessId(rest.uuid()?);
        let row = rest.row()?;
        let number = rest.u64()?;
        let fills = if flags & FILLS == 0 {
            None
        } else {
            let (from, first) = (rest.u64()?, rest.u64()?);
            Some(Filling { from, first })
        };
        let known = rest.list(PROCESSES_MAX, |rest| {
            Some(Known {
                process: ProcessId(rest.uuid()?),
                row: rest.row()?,
                number: rest.u64()?,
                current: rest.take::<1>()? != [0],
            })
        })?;
        let counts = rest.list(COUNTS_MAX, |rest| {
            Some(Count {
                key: rest.uuid()?,
                org: OrgId::from_uuid(rest.uuid()?),
                admitted: Admitted {
                    count: rest.u64()?,
                    recent: u32::from_be_bytes(rest.take()?),
                },
            })
        })?;
        rest.0.is_empty().then_some(Self {
            process,
            epoch,
            row,
            number,
            state: State {
                misses: flags & MISSES != 0,
                begins: flags & BEGINS != 0,
                leaves: flags & LEAVES != 0,
                is_behind: flags & IS_BEHIND != 0,
            },
            known,
            fills,
            of,
            counts,
        })
    }
}

/// The lists are bounded far below that.
fn push_len(bytes: &mut Vec<u8>, len: usize) {
    let len = u16::try_from(len).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
}

fn push_row(bytes: &mut Vec<u8>, row: Option<IncarnationId>) {
    let row = row.map_or(Uuid::nil(), IncarnationId::as_uuid);
    bytes.extend_from_slice(row.as_bytes());
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Some(Uuid::from_bytes(self.take()?))
    }

    /// Nil stands for none.
    fn row(&mut self) -> Option<Option<IncarnationId>> {
        let row = Some(self.uuid()?).filter(|row| !row.is_nil());
        Some(row.map(IncarnationId::from_uuid))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take()?))
    }

    fn list<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let len = usize::from(u16::from_be_bytes(self.take()?));
        if len > most {
            return None;
        }
        (0..len).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = Uuid> {
        any::<u128>().prop_map(Uuid::from_u128)
    }

    fn row() -> impl Strategy<Value = Option<IncarnationId>> {
        let row = (1..u128::MAX).prop_map(|row| IncarnationId::from_uuid(Uuid::from_u128(row)));
        prop::option::of(row)
    }

    fn message() -> impl Strategy<Value = Message> {
        let known = (id(), row(), any::<u64>(), any::<bool>());
        let known = known.prop_map(|(process, row, number, current)| Known {
            process: ProcessId(process),
            row,
            number,
            current,
        });
        let count =
            (id(), id(), any::<u64>(), any::<u32>()).prop_map(|(key, org, count, recent)| Count {
                key,
                org: OrgId::from_uuid(org),
                admitted: Admitted { count, recent },
            });
        let ids = (id(), id(), row(), id());
        let state = any::<[bool; 4]>();
        let fills = prop::option::of((any::<u64>(), any::<u64>()));
        let known = prop::collection::vec(known, 0..5);
        let counts = prop::collection::vec(count, 0..9);
        (ids, any::<u64>(), state, fills, known, counts).prop_map(
            |((process, epoch, row, of), number, state, fills, known, counts)| Message {
                process: ProcessId(process),
                epoch: LogEpoch::from_uuid(epoch),
                row,
                number,
                state: State {
                    misses: state[0],
                    begins: state[1],
                    leaves: state[2],
                    is_behind: state[3],
                },
                known,
                fills: fills.map(|(from, first)| Filling { from, first }),
                of: ProcessId(of),
                counts,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_is_heard(message in message()) {
            let bytes = message.encode();
            prop_assert_eq!(Message::decode(&bytes), Some(message));
            prop_assert_eq!(Message::decode(&bytes[..bytes.len() - 1]), None);
            let longer = [&bytes[..], &[0]].concat();
            prop_assert_eq!(Message::decode(&longer), None);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Message::decode(&bytes);
            let _ = Message::decode(&[&[FORM], &bytes[..]].concat());
        }
    }

    #[test]
    fn more_than_fits_is_not_read() {
        let count = Count {
            key: Uuid::nil(),
            org: OrgId::from_uuid(Uuid::nil()),
            admitted: Admitted {
                count: 1,
                recent: 1,
            },
        };
        let mut message = Message {
            process: ProcessId(Uuid::from_u128(1)),
            epoch: LogEpoch::from_uuid(Uuid::nil()),
            row: None,
            number: 1,
            state: State::default(),
            known: Vec::new(),
            fills: None,
            of: ProcessId(Uuid::from_u128(1)),
            counts: vec![count; COUNTS_MAX],
        };
        let bytes = message.encode();
        assert!(bytes.len() < 18_000, "{}", bytes.len());
        assert_eq!(Message::decode(&bytes).unwrap(), message);
        message.counts.push(count);
        assert_eq!(Message::decode(&message.encode()), None);
    }
}
