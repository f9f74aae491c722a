//! What a process knows of another, by what that one and those who hear it say.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn peer() -> Peer {
    Peer::new(Slot(0), at(0))
}

fn message(number: u64) -> Message {
    says(1, number, 0)
}

fn of_row(number: u128) -> Message {
    Message {
        row: Some(row(number)),
        ..message(1)
    }
}

/// Heard at that time, and knows nothing of us.
fn hear(peer: &mut Peer, message: &Message, millis: u64) {
    peer.hear(message, 0, None, at(millis));
}

/// Messages after each other, some lost, some late, and when those of ours were read which they
/// answer.
fn saying() -> impl Strategy<Value = Vec<(Message, Option<u64>)>> {
    let fills = prop::option::of((0..6_u64, 0..4_u64));
    let one = (0..5_u64, fills, any::<bool>(), prop::option::of(0..20_u64));
    prop::collection::vec(one, 1..40).prop_map(|all| {
        let mut newest = 1;
        let one = |(step, fills, is_behind, sent_at): (u64, Option<(u64, u64)>, _, _)| {
            let number = (newest + step).saturating_sub(1).max(1);
            newest = number.max(newest);
            let mut message = message(number);
            message.state.is_behind = is_behind;
            message.fills = fills.map(|(first, from)| {
                let first = number.saturating_sub(first).max(1);
                let from = first.saturating_sub(from).max(1);
                Filling { from, first }
            });
            (message, sent_at)
        };
        all.into_iter().map(one).collect()
    })
}

proptest! {
    /// Known is all up to the first message that neither came nor was told again by a filling all
    /// of which came; and only what comes with all before it says how fresh that is.
    #[test]
    fn what_was_told_is_known_up_to_the_first_gap(saying in saying()) {
        let mut peer = peer();
        let (mut came, mut told) = (BTreeSet::new(), BTreeSet::new());
        let mut fresh = None;
        for (message, sent_at) in saying {
            let number = message.number;
            let is_new = came.last().is_none_or(|newest| number > *newest);
            prop_assert_eq!(peer.is_new(&message), is_new);
            if !is_new {
                continue;
            }
            let sent_at = sent_at.map(|at| 100 * at);
            peer.hear(&message, 0, sent_at.map(at), at(3_000));
            came.insert(number);
            told.insert(number);
            if let Some(Filling { from, first }) = message.fills
                && (first..=number).all(|one| came.contains(&one))
            {
                told.extend(from..=number);
            }
            let known = (1..=number).take_while(|one| told.contains(one)).last().unwrap_or(0);
            prop_assert_eq!(peer.known, known);
            if known == number && !message.state.is_behind {
                fresh = fresh.max(sent_at);
            }
            let until = fresh.map(|fresh| fresh + 1_000);
            for millis in until.map_or(0..1, |until| until - 1..until + 1) {
                let is_current = until.is_some_and(|until| millis < until);
                prop_assert_eq!(peer.is_current(at(millis)), is_current);
                let seen = until.filter(|_| is_current).map(at);
                prop_assert_eq!(peer.seen_until(at(millis)), seen);
            }
        }
    }
}

#[test]
fn whoever_begins_is_waited_for_until_a_second_after_it_was_heard_first() {
    let mut peer = peer();
    let mut begins = message(1);
    begins.state.begins = true;
    hear(&mut peer, &begins, 5_000);
    begins.number = 2;
    hear(&mut peer, &begins, 5_500);
    assert_eq!(peer.seen_until(at(5_999)), Some(at(6_000)));
    assert_eq!(peer.seen_until(at(6_000)), None);
    // What it answers may show more, or less.
    begins.number = 3;
    peer.hear(&begins, 0, Some(at(4_000)), at(5_600));
    assert_eq!(peer.seen_until(at(5_600)), Some(at(6_000)));
    begins.number = 4;
    peer.hear(&begins, 0, Some(at(5_300)), at(5_600));
    assert_eq!(peer.seen_until(at(5_600)), Some(at(6_300)));
    hear(&mut peer, &message(5), 5_700);
    assert_eq!(peer.seen_until(at(5_700)), Some(at(6_300)));
}

#[test]
fn it_is_silent_after_two_ticks_unheard_after_a_second_and_lost_once_nobody_hears_it() {
    let mut peer = peer();
    assert_eq!(peer.silent_since(at(50)), Some(at(0)), "it was never heard");
    assert!(!peer.is_heard(at(0)) && !peer.is_lost(at(999)) && peer.is_lost(at(1_000)));
    peer.mention(None, at(2_000));
    assert!(!peer.is_lost(at(2_999)) && peer.is_lost(at(3_000)));
    hear(&mut peer, &message(1), 3_000);
    assert_eq!(peer.silent_since(at(3_099)), None);
    assert_eq!(peer.silent_since(at(3_100)), Some(at(3_000)));
    assert!(peer.is_heard(at(3_999)) && !peer.is_heard(at(4_000)));
    assert!(!peer.is_lost(at(3_999)) && peer.is_lost(at(4_000)));
    peer.mention(None, at(3_500));
    assert!(!peer.is_lost(at(4_499)) && peer.is_lost(at(4_500)));
}

#[test]
fn it_began_lately_for_so_long_and_while_it_says_so_if_it_is_heard() {
    let within = Duration::from_secs(5);
    let mut peer = peer();
    assert!(!peer.began_within(within, at(0)));
    hear(&mut peer, &message(1), 1_000);
    assert!(peer.began_within(within, at(1_999)) && !peer.began_within(within, at(2_000)));
    hear(&mut peer, &message(2), 5_500);
    assert!(peer.began_within(within, at(5_999)) && !peer.began_within(within, at(6_000)));
    let mut begins = message(3);
    begins.state.begins = true;
    hear(&mut peer, &begins, 6_000);
    assert!(peer.began_within(within, at(6_999)) && !peer.began_within(within, at(7_000)));
}

#[test]
fn its_row_is_what_it_says_itself_since_it_said_so_first() {
    let mut peer = peer();
    let says = |number, millis| Some((row(number), at(millis)));
    peer.mention(Some(row(1)), at(1_000));
    peer.mention(Some(row(1)), at(1_100));
    assert_eq!(peer.row, says(1, 1_000));
    peer.mention(Some(row(2)), at(1_200));
    assert_eq!(peer.row, says(2, 1_200));
    hear(&mut peer, &of_row(2), 1_300);
    assert_eq!(peer.row, says(2, 1_200));
    hear(&mut peer, &of_row(3), 1_400);
    hear(&mut peer, &of_row(3), 1_500);
    assert_eq!(peer.row, says(3, 1_400));
    peer.mention(Some(row(4)), at(1_600));
    assert_eq!(peer.row, says(3, 1_400), "it knows best itself");
    hear(&mut peer, &message(1), 1_700);
    assert_eq!(peer.row, None);
}

#[test]
fn whose_row_is_not_there_any_more_is_gone_once_it_is_not_heard() {
    let mut peer = peer();
    hear(&mut peer, &of_row(1), 1_000);
    let without = Rows::read(None, &[row(2)], at(0));
    let with = Rows::read(None, &[row(2), row(1)], at(0));
    let is_gone = |rows, read, now| peer.is_gone(Some((rows, at(read))), at(now));
    assert!(!is_gone(&without, 1_500, 1_999));
    assert!(is_gone(&without, 1_500, 2_000));
    assert!(!is_gone(&with, 1_500, 2_000));
    // The row may have been made after the reading.
    assert!(is_gone(&without, 1_001, 2_000) && !is_gone(&without, 1_000, 2_000));
    assert!(!peer.is_gone(None, at(1_000_000)), "nobody has looked yet");
}

#[test]
fn without_a_row_it_is_gone_a_minute_after_anybody_heard_it() {
    let rows = Rows::read(None, &[row(2)], at(0));
    let mut peer = peer();
    hear(&mut peer, &message(1), 1_000);
    let gone =
        |peer: &Peer, now| [None, Some((&rows, at(now)))].map(|rows| peer.is_gone(rows, at(now)));
    assert_eq!(gone(&peer, 60_999), [false; 2]);
    assert_eq!(gone(&peer, 61_000), [true; 2]);
    peer.mention(None, at(2_000));
    assert_eq!(gone(&peer, 61_999), [false; 2]);
    assert_eq!(gone(&peer, 62_000), [true; 2]);
}

#[test]
fn it_is_told_again_after_longer_and_longer_until_it_says_that_it_knows() {
    let mut peer = peer();
    assert!(!peer.must_fill(7, at(0)), "nobody is there to be told");
    let mut told = Vec::new();
    for millis in (0..40_000).step_by(50) {
        peer.hear(&message(1), 6, None, at(millis));
        if peer.must_fill(7, at(millis)) {
            told.push(millis);
        }
    }
    assert_eq!(
        told,
        [
            0, 250, 750, 1_750, 3_750, 7_750, 15_750, 23_750, 31_750, 39_750
        ]
    );
    peer.hear(&message(1), 7, None, at(48_000));
    assert!(!peer.must_fill(7, at(48_000)));
    peer.hear(&message(1), 7, None, at(48_050));
    let told = [48_050, 48_299, 48_300].map(|millis| peer.must_fill(8, at(millis)));
    assert_eq!(told, [true, false, true]);
    assert!(peer.must_fill(8, at(49_049)));
    assert!(!peer.must_fill(8, at(50_049)), "it is not heard any more");
}

#[test]
fn a_row_is_waited_for_a_second_unless_it_was_there_first() {
    let first = Rows::read(None, &[row(1)], at(1_000));
    let then = Rows::read(Some(&first), &[row(1), row(2)], at(2_000));
    let now = Rows::read(Some(&then), &[row(2), row(1), row(3)], at(2_500));
    let waited = |millis| now.all(at(millis)).collect::<Vec<_>>();
    let until = |second, third| vec![(row(2), second), (row(1), None), (row(3), third)];
    assert_eq!(waited(2_999), until(Some(at(3_000)), Some(at(3_500))));
    assert_eq!(waited(3_000), until(None, Some(at(3_500))));
    assert_eq!(waited(3_500), until(None, None));
}
