//! What is told, once and again, and how much of it at once.

use super::*;

#[test]
#[cfg_attr(
    miri,
    ignore = "tens of thousands of things: hours under the interpreter"
)]
fn more_than_fits_is_told_later_and_said_to_be_missing() {
    let mut nodes = three();
    let many = MESSAGES_MAX * COUNTS_MAX + 10;
    for number in 0..many {
        assert!(nodes[0].ask(Uuid::from_u128(1_000 + number as u128), 2_000));
    }
    let told = nodes[0].tick(2_000);
    assert_eq!(told.len(), MESSAGES_MAX);
    assert!(told.iter().all(|message| message.state.is_behind));
    let counts = told.iter().map(|message| message.counts.len());
    assert_eq!(counts.sum::<usize>(), MESSAGES_MAX * COUNTS_MAX);
    nodes[1].hear(&told, 2_000);
    let rest = nodes[0].tick(2_050);
    assert_eq!(
        rest.iter()
            .map(|message| message.counts.len())
            .sum::<usize>(),
        10
    );
    assert!(rest.iter().all(|message| !message.state.is_behind));
    // All of them once more for who missed them, and then no more.
    talk(&mut nodes, 2_100, 4_000);
    let heard = nodes[2].registry.credentials().count();
    assert_eq!(heard, many);
    talk(&mut nodes, 4_000, 4_300);
    assert!(
        nodes[0]
            .tick(4_300)
            .iter()
            .all(|message| message.counts.is_empty())
    );
}

#[test]
fn what_could_not_be_noted_is_found() {
    let mut nodes = three();
    assert!(nodes[0].ask(KEY, 2_000));
    nodes[0].noted.clear();
    nodes[0].registry.fleet().could_not_note();
    talk(&mut nodes, 2_000, 2_050);
    assert_eq!(nodes[1].heard(), 1);
}

/// Tells what a message of another process told of keys, in its place.
fn told_of(process: u128, number: u64, keys: impl Iterator<Item = u128>) -> Message {
    Message {
        counts: keys.map(one).collect(),
        ..says(process, number, 0)
    }
}

fn keys(counts: &[Count]) -> Vec<u128> {
    let mut keys: Vec<_> = counts.iter().map(|count| count.key.as_u128()).collect();
    keys.sort_unstable();
    keys
}

/// What was told in one place after the other, in one place.
fn all_keys<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<u128> {
    let counts: Vec<_> = messages
        .flat_map(|message| &message.counts)
        .copied()
        .collect();
    keys(&counts)
}

#[test]
fn what_was_lost_is_told_again_after_a_quarter_of_a_second_and_nothing_else() {
    let mut nodes = three();
    // Of one that is gone, which is no part of what was lost.
    let of_gone = Message {
        of: ProcessId(Uuid::from_u128(77)),
        ..nodes[1].tick(2_000).remove(0)
    };
    nodes[0].hear(
        &[Message {
            counts: vec![one(5)],
            ..of_gone
        }],
        2_000,
    );
    assert!(nodes[0].ask(Uuid::from_u128(6), 2_000));
    talk(&mut nodes, 2_000, 2_050);
    assert!(nodes[0].ask(Uuid::from_u128(7), 2_050));
    let lost = talk_but(&mut nodes, 2_050, 2_100, |from, to| (from, to) == (0, 1));
    let [(_, lost)] = lost.try_into().unwrap();
    assert_eq!(keys(&lost.counts), [7]);
    let told = talk_but(&mut nodes, 2_100, 3_000, |_, _| false);
    assert!(
        told.iter()
            .all(|(_, message)| message.of == message.process)
    );
    let told: Vec<_> = told
        .into_iter()
        .filter(|(_, message)| message.fills.is_some() || !message.counts.is_empty())
        .collect();
    let [(again_at, again), (filled_at, filled)] = told.try_into().unwrap();
    assert_eq!([again_at, filled_at], [2_300; 2]);
    assert_eq!(again.counts, lost.counts);
    let filling = Filling {
        from: lost.number,
        first: again.number,
    };
    assert_eq!(
        (filled.fills, filled.number),
        (Some(filling), again.number + 1)
    );
}

#[test]
fn what_is_told_again_and_lost_again_is_told_a_third_time() {
    let mut nodes = three();
    assert!(nodes[0].ask(KEY, 2_000));
    talk_but(&mut nodes, 2_000, 2_050, |from, to| (from, to) == (0, 1));
    talk(&mut nodes, 2_050, 2_250);
    // Noted by nobody yet, it is told with what was lost. The other did not lack that before.
    assert!(nodes[0].ask(KEY, 2_250));
    nodes[0].noted.clear();
    talk_but(&mut nodes, 2_250, 2_300, |from, to| (from, to) == (0, 2));
    assert_eq!([1, 2].map(|index| nodes[index].heard()), [2, 1]);
    talk(&mut nodes, 2_300, 3_000);
    assert_eq!([1, 2].map(|index| nodes[index].heard()), [2, 2]);
}

#[test]
fn who_begins_is_told_all_that_counts_of_all_that_are_there_no_more() {
    let mut nodes = vec![Node::new(0, 0)];
    nodes[0].read(&[0], 0);
    nodes[0].tick(0);
    // A minute later that counts no more.
    assert!(nodes[0].ask(Uuid::from_u128(1), 0));
    nodes[0].tick(61_000);
    let many = u128::try_from(COUNTS_MAX).unwrap() + 7;
    let own = 1_000..1_000 + many;
    for key in own.clone() {
        assert!(nodes[0].ask(Uuid::from_u128(key), 61_000));
    }
    let of_dead = 1_000 + many - 3..1_000 + 3 * many;
    let told = told_of(77, 1, of_dead.clone());
    let of_another = Message {
        of: ProcessId(Uuid::from_u128(78)),
        ..told_of(77, 2, 5_000..5_001)
    };
    nodes[0].hear(&[told, of_another], 61_000);
    nodes[0].tick(61_000);
    nodes.push(Node::new(1, 67_000));
    for node in &mut nodes {
        node.read(&[0, 1], 67_000);
    }
    let told = talk_but(&mut nodes, 67_000, 67_500, |_, _| false);
    let of = |process| {
        let process = ProcessId(Uuid::from_u128(process));
        let of_it = told
            .iter()
            .filter(move |(_, message)| message.of == process);
        all_keys(of_it.map(|(_, message)| message))
    };
    assert_eq!(of(0), own.collect::<Vec<_>>());
    assert_eq!(of(77), of_dead.collect::<Vec<_>>());
    assert_eq!(of(78), [5_000]);
    let filled: Vec<_> = told
        .iter()
        .filter_map(|(_, message)| message.fills)
        .collect();
    assert_eq!(filled.len(), 1);
}

#[test]
fn what_one_admits_alone_while_it_is_heard_is_told_once_it_hears_again() {
    let mut nodes = vec![Node::new(0, 0), Node::new(1, 0)];
    for node in &mut nodes {
        node.read(&[0, 1], 0);
    }
    talk(&mut nodes, 0, 2_000);
    nodes[0].read(&[0], 2_000);
    talk_but(&mut nodes, 2_000, 3_500, |from, _| from == 1);
    assert_eq!(nodes[0].part(3_500), None);
    assert_eq!(nodes[0].ask_all(3_500), LIMIT);
    // The other has heard all that it says.
    talk_but(&mut nodes, 3_500, 4_500, |from, _| from == 1);
    assert_eq!(nodes[1].heard(), 0);
    talk(&mut nodes, 4_500, 5_000);
    assert_eq!(nodes[1].heard(), LIMIT);
}

#[test]
fn an_answer_shows_what_was_admitted_before_the_message_that_it_answers() {
    let mut nodes = vec![Node::new(0, 0), Node::new(1, 0)];
    for node in &mut nodes {
        node.read(&[0, 1], 0);
    }
    talk(&mut nodes, 0, 2_000);
    let relies_until = |nodes: &mut [Node], millis, until| {
        let told = nodes[0].tick(millis);
        assert_eq!(nodes[0].part(until - 1), Some(Part::Whole));
        assert!(is_share(nodes[0].part(until), 2));
        nodes[1].hear(&told, millis);
    };
    // Of the newest.
    let told = nodes[0].tick(2_000);
    nodes[1].hear(&told, 2_010);
    let answer = nodes[1].tick(2_010);
    nodes[0].hear(&answer, 2_020);
    relies_until(&mut nodes, 2_030, 3_000);
    // Of one after which another was sent.
    let told = nodes[0].tick(2_100);
    let another = nodes[0].tick(2_150);
    nodes[1].hear(&told, 2_160);
    let answer = nodes[1].tick(2_160);
    nodes[1].hear(&another, 2_170);
    nodes[0].hear(&answer, 2_170);
    relies_until(&mut nodes, 2_180, 3_100);
    // Of one that was never sent.
    let mut answer = nodes[1].tick(2_200);
    answer[0].known[0].number = nodes[0].gossip.number + 1;
    nodes[0].hear(&answer, 2_210);
    relies_until(&mut nodes, 2_220, 3_100);
}

#[test]
fn of_so_many_ticks_and_no_more_it_is_kept_when_they_were() {
    let mut node = Node::new(0, 0);
    let ticks = 0..u64::try_from(SENT_TICKS).unwrap() + 9;
    for millis in ticks {
        node.tick(millis);
    }
    assert_eq!(node.gossip.sent.len(), SENT_TICKS);
    assert_eq!(node.gossip.sent[0].1, at(9));
}
