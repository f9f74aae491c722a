#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use domain::ids::{LogEpoch, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::Restoration;
use domain::time::Timestamp;
use uuid::Uuid;

use super::Compared::{Beyond, Failed, Other, Same};
use super::{Compared, Lives, Plan};

/// Lives that ended earlier, the one that ends, and the one that begins.
const EARLIER: LogEpoch = LogEpoch::from_uuid(Uuid::from_u128(1));
const FORMER: LogEpoch = LogEpoch::from_uuid(Uuid::from_u128(2));
const BEGUN: LogEpoch = LogEpoch::from_uuid(Uuid::from_u128(3));
/// Events of the log that is restored.
const EVENTS: u64 = 50;

const fn events(size: u64) -> TreeSize {
    TreeSize::new(size)
}

fn note(former: LogEpoch, size: u64, epoch: LogEpoch) -> Restoration {
    Restoration {
        origin: "goats.example/log".parse().unwrap(),
        former,
        size: events(size),
        epoch,
        known: TreeSize::ZERO,
        at: Timestamp::from_micros(0).unwrap(),
    }
}

/// Given signed heads of lives, how the log stands to each, and signed notes.
struct Given<'a>(&'a [(LogEpoch, &'a [u64], Compared)], &'a [Restoration]);

impl Given<'_> {
    fn plan(&self, vouched: bool) -> Plan {
        let heads = |sizes: &[u64]| {
            let heads = sizes
                .iter()
                .map(|size| (events(*size), NodeHash::from_bytes([0; 32])));
            heads.collect()
        };
        let lives = Lives {
            heads: self
                .0
                .iter()
                .map(|(life, sizes, _)| (*life, heads(sizes)))
                .collect(),
            vouched,
            ..Lives::default()
        };
        let compared: BTreeMap<_, _> = self.0.iter().map(|(life, _, how)| (*life, *how)).collect();
        lives.of_lives(&note(FORMER, EVENTS, BEGUN), self.1, &compared)
    }

    /// Then so much is signed of which life.
    #[track_caller]
    fn says(&self, expected: &[(LogEpoch, u64)]) {
        let plan = self.plan(false);
        assert!(plan.can_be_signed);
        assert_eq!(plan.unsigned, None);
        assert_eq!(signed(&plan), expected);
    }

    /// Then that is signed only if somebody vouches for it, and so much otherwise.
    #[track_caller]
    fn says_vouched(&self, expected: &[(LogEpoch, u64)], otherwise: &[(LogEpoch, u64)]) {
        let plan = self.plan(false);
        assert!(!plan.can_be_signed);
        assert_eq!(signed(&plan), otherwise);
        let plan = self.plan(true);
        assert!(plan.can_be_signed);
        assert_eq!(signed(&plan), expected);
    }
}

fn signed(plan: &Plan) -> Vec<(LogEpoch, u64)> {
    let signed = plan.lives.iter().map(|said| (said.former, said.size.get()));
    signed.collect()
}

#[test]
fn all_of_a_life_that_is_as_it_was_signed_is_in_the_next() {
    Given(&[], &[]).says(&[(FORMER, 50)]);
    Given(&[(FORMER, &[40], Same(events(40)))], &[]).says(&[(FORMER, 50)]);
    // What was signed later is lost with the restore.
    Given(&[(FORMER, &[60], Beyond)], &[]).says(&[(FORMER, 50)]);
}

#[test]
fn nothing_is_signed_of_a_life_that_the_log_differs_from_until_somebody_vouches() {
    let given = Given(&[(FORMER, &[20, 40], Other(events(20), events(40)))], &[]);
    given.says_vouched(&[(FORMER, 20)], &[]);
    // It is noted all the same that it ended.
    let unsigned = given.plan(false).unsigned.unwrap();
    assert_eq!((unsigned.former, unsigned.size), (FORMER, events(50)));
    let cannot_be_read = Given(&[(FORMER, &[20], Failed)], &[]).plan(true);
    assert!(!cannot_be_read.can_be_signed && cannot_be_read.lives.is_empty());
}

#[test]
fn a_life_is_left_where_a_note_says_so_and_the_log_is_what_was_signed_until_then() {
    let left = [note(EARLIER, 30, FORMER)];
    let differs = |common: u64| Other(events(common), events(40));
    let former = (FORMER, &[45][..], Same(events(45)));
    Given(&[(EARLIER, &[20, 40], differs(20)), former], &left).says(&[(FORMER, 50)]);
    // Else it was changed since.
    let changed = Given(&[(EARLIER, &[10, 20, 40], differs(10)), former], &left);
    changed.says_vouched(&[(EARLIER, 10), (FORMER, 50)], &[(FORMER, 50)]);
}

/// Whoever writes to the database can say that an earlier life was the last.
#[test]
fn of_a_life_that_others_followed_the_log_has_what_they_have() {
    let followed = [note(FORMER, 30, EARLIER)];
    let later = (EARLIER, &[45][..], Same(events(45)));
    let former = (FORMER, &[20, 40][..], Other(events(20), events(40)));
    Given(&[former, later], &followed).says(&[(EARLIER, 45), (FORMER, 30)]);
}

#[test]
fn a_life_that_went_on_from_a_shorter_log_has_that_in_common() {
    let began = [note(FORMER, 30, EARLIER)];
    let beyond = (EARLIER, &[60][..], Beyond);
    Given(&[beyond], &began).says(&[(EARLIER, 30), (FORMER, 50)]);
    // Nobody says where it came from.
    let plan = Given(&[beyond], &[]).plan(true);
    assert!(!plan.can_be_signed);
    assert_eq!(signed(&plan), [(FORMER, 50)]);
    // The log went on from where it left.
    let former = (FORMER, &[45][..], Same(events(45)));
    let written = (EARLIER, &[40][..], Other(events(0), events(40)));
    Given(&[written, former], &began).says(&[(EARLIER, 30), (FORMER, 50)]);
}
