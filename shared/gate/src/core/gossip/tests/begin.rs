//! What a process that begins may admit, by what it can know of those before it.

use super::*;

/// Three that begin where somebody was until a moment ago.
fn three_after_others() -> Vec<Node> {
    let mut nodes: Vec<_> = (0..3).map(|number| Node::new(number, 0)).collect();
    for node in &mut nodes {
        node.read_after(true, &[0, 1, 2], 0);
    }
    talk(&mut nodes, 0, 2_000);
    nodes
}

#[test]
fn the_first_of_all_has_the_whole_at_once() {
    let mut node = Node::new(0, 0);
    assert!(is_share(node.part(0), 2), "nobody has looked yet");
    node.tick(0);
    assert!(is_share(node.part(0), 2), "nobody has read yet");
    node.read(&[0], 0);
    node.tick(0);
    assert_eq!(node.part(0), None);
}

#[test]
fn whoever_comes_back_alone_has_half_for_a_minute() {
    let mut node = Node::new(0, 0);
    // The row of the one before it is still there, and then was there.
    node.read(&[0, 9], 0);
    node.tick(0);
    assert!(is_share(node.part(0), 2 * 2));
    for millis in (1_000..60_000).step_by(1_000) {
        node.read_after(true, &[0], millis);
        node.tick(millis);
        assert!(is_share(node.part(millis), 2), "{millis}");
    }
    assert_eq!(node.ask_all(59_000), LIMIT / 2);
    node.tick(59_999);
    assert!(is_share(node.part(59_999), 2));
    node.tick(60_000);
    assert_eq!(node.part(60_000), None);
    assert_eq!(node.ask_all(60_000), LIMIT / 2);
}

/// Whether it says at that time that it does not know what was admitted before it began.
fn begins(node: &mut Node, millis: u64) -> bool {
    let told = node.leave(millis);
    told.iter().all(|message| message.state.begins)
}

#[test]
fn whoever_is_alone_listens_for_a_second_before_it_says_that_it_knows() {
    for (millis, says) in [(0, true), (999, true), (1_000, false)] {
        let mut node = Node::new(0, 0);
        node.read(&[0], 0);
        assert_eq!(begins(&mut node, millis), says, "{millis}");
    }
    for (millis, says) in [(1_000, true), (59_999, true), (60_000, false)] {
        let mut node = Node::new(0, 0);
        node.read_after(true, &[0], 0);
        assert_eq!(begins(&mut node, millis), says, "{millis}");
    }
}

/// Another process, to one that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    /// It was there before, and each hears the other.
    Old,
    /// The same, but it begins too.
    Begins,
    /// It hears nobody.
    Deaf,
    /// Somebody spoke of it once, and nobody hears it.
    Lost,
}

/// When a process that begins at 0 among these knows what was admitted before.
fn knows_at(node: &mut Node, others: &[Other]) -> u64 {
    let mut moments: Vec<_> = (0..=61_000).step_by(50).chain([999, 59_999]).collect();
    moments.sort_unstable();
    for (number, millis) in (1..).zip(moments) {
        for (process, other) in (1..).zip(others) {
            let newest = node.gossip.number;
            let mut message = says(process, number, newest);
            message.row = Some(row(process));
            message.state.begins = *other == Other::Begins;
            match other {
                Other::Old | Other::Begins => {}
                Other::Deaf => message.known.clear(),
                Other::Lost => {
                    let known = Known {
                        process: message.process,
                        row: message.row,
                        number,
                        current: true,
                    };
                    if millis == 0 {
                        node.gossip.mention(&known, at(millis));
                    }
                    continue;
                }
            }
            node.hear(&[message], millis);
        }
        if node
            .tick(millis)
            .iter()
            .all(|message| !message.state.begins)
        {
            return millis;
        }
    }
    u64::MAX
}

#[test]
fn whoever_begins_knows_once_all_answer_or_those_who_were_there_have_told_of_the_rest() {
    use Other::{Begins, Deaf, Lost, Old};
    let (answered, waited, minute) = (50, 1_000, 60_000);
    // Of what others there are; whether somebody left lately; rows that nobody claims; when.
    let table: [(&[Other], bool, usize, u64); 13] = [
        (&[Old], false, 0, answered),
        (&[Old], true, 0, answered),
        (&[Begins], false, 0, answered),
        (&[Begins], true, 0, minute),
        (&[Old, Begins], true, 0, answered),
        (&[Old], false, 1, waited),
        (&[Begins], false, 1, minute),
        (&[], false, 1, minute),
        (&[Old, Lost], false, 0, waited),
        (&[Begins, Lost], false, 0, minute),
        (&[Lost], false, 0, minute),
        (&[Old, Deaf], false, 0, minute),
        (&[Deaf], false, 0, minute),
    ];
    for (others, ended_lately, unclaimed, at) in table {
        let mut node = Node::new(0, 0);
        let rows: Vec<_> = (0..=others.len() + unclaimed)
            .map(|row| row as u128)
            .collect();
        node.read_after(ended_lately, &rows, 0);
        assert_eq!(
            knows_at(&mut node, others),
            at,
            "{others:?}, {ended_lately}, {unclaimed}"
        );
    }
    let mut unread = Node::new(0, 0);
    assert_eq!(knows_at(&mut unread, &[Old]), minute, "nobody has read yet");
}

#[test]
fn whoever_begins_misses_nobody_for_a_second_unless_it_knows() {
    let misses = |node: &mut Node, millis| {
        let told = node.tick(millis);
        told.iter().all(|message| message.state.misses)
    };
    let mut node = Node::new(0, 0);
    node.read(&[0, 1], 0);
    assert!(!misses(&mut node, 0) && !misses(&mut node, 999));
    assert!(misses(&mut node, 1_000));
    let mut node = Node::new(0, 0);
    node.read(&[0, 1], 0);
    assert_eq!(knows_at(&mut node, &[Other::Old]), 50);
    assert!(!misses(&mut node, 60));
    // A row that was there from the start, and is claimed no more.
    node.hear(&[says(1, 100, node.gossip.number)], 70);
    assert!(misses(&mut node, 80));
}

#[test]
fn where_all_begin_anew_nobody_knows_what_was_before() {
    let mut nodes = three_after_others();
    for node in &nodes {
        assert!(is_share(node.part(2_000), 2 * 3), "{:?}", node.part(2_000));
    }
    for node in &mut nodes {
        node.read_after(true, &[0, 1, 2], 59_000);
    }
    talk(&mut nodes, 2_000, 60_100);
    for node in &nodes {
        assert_eq!(node.part(60_100), Some(Part::Whole));
    }
}

#[test]
fn one_that_was_there_before_is_enough() {
    let mut nodes = three();
    nodes[1] = Node::new(7, 2_000);
    nodes[2] = Node::new(8, 2_000);
    for node in &mut nodes {
        node.read_after(true, &[0, 7, 8], 2_000);
    }
    talk(&mut nodes, 2_000, 3_500);
    // The first still spoke of those who are gone.
    for node in &mut nodes {
        node.read_after(true, &[0, 7, 8], 3_500);
    }
    talk(&mut nodes, 3_500, 4_000);
    for node in &nodes {
        assert_eq!(node.part(4_000), Some(Part::Whole));
    }
}

#[test]
fn whoever_was_given_up_for_dead_has_no_more_than_its_share() {
    let mut nodes = three();
    // It stood still until its row was collected; the others had its part.
    for node in &mut nodes[..2] {
        node.read_after(true, &[0, 1], 4_000);
    }
    talk(&mut nodes[..2], 2_000, 9_000);
    assert_eq!(nodes[0].ask_all(9_000), LIMIT);
    nodes[2].registry.fleet().register(Some(row(6)));
    assert!(is_share(nodes[2].part(9_000), 3));
    assert_eq!(nodes[2].ask_all(9_000), LIMIT / 3);
    // It is there again, and knows.
    for node in &mut nodes {
        node.read_after(true, &[0, 1, 6], 9_000);
    }
    talk(&mut nodes, 9_000, 10_000);
    for node in &mut nodes {
        assert_eq!(node.part(10_000), Some(Part::Whole));
        assert_eq!(node.ask_all(10_000), 0);
    }
}

#[test]
#[cfg_attr(
    miri,
    ignore = "tens of thousands of things: hours under the interpreter"
)]
fn what_finds_no_place_waits_once_however_long_there_is_none() {
    let mut nodes = three();
    let many = 2 * MESSAGES_MAX * COUNTS_MAX;
    for number in 0..many {
        assert!(nodes[0].ask(Uuid::from_u128(1_000 + number as u128), 2_000));
    }
    nodes[0].noted.clear();
    for (at, left) in [(2_000, many / 2), (2_050, 0), (2_100, 0)] {
        nodes[0].registry.fleet().could_not_note();
        nodes[0].tick(at);
        assert_eq!(nodes[0].gossip.waiting.len(), left);
    }
    talk(&mut nodes, 2_150, 4_000);
    assert_eq!(nodes[1].registry.credentials().count(), many);
}

/// How one of three ends just after it told what it had admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    /// It says so, so long after the other began.
    Leaves(u64),
}

/// Another begins in its place so long after it ended; `is_lost` says which messages nobody hears.
fn successor(end: End, delay: u64, is_lost: impl Fn(u64, &Message) -> bool) -> Node {
    let mut nodes = three();
    assert_eq!((0..20).filter(|_| nodes[2].ask(KEY, 2_000)).count(), 20);
    talk(&mut nodes, 2_000, 3_001);
    let began = 3_000 + delay;
    nodes.push(Node::new(7, began));
    for node in &mut nodes {
        node.read_after(true, &[0, 1, 2, 7], began);
    }
    for millis in 3_001..7_500 {
        for (speaker, offset) in (0..).zip([0, 17, 33, delay]) {
            let leaves = end == End::Leaves(millis - began.min(millis)) && millis >= began;
            let told = match speaker {
                2 if leaves => nodes[2].leave(millis),
                2 if !matches!(end, End::Leaves(after) if millis < began + after) => continue,
                3 if millis < began => continue,
                _ if millis % 50 != offset % 50 => continue,
                _ => nodes[speaker].tick(millis),
            };
            let told: Vec<_> = told
                .into_iter()
                .filter(|message| !is_lost(millis, message))
                .collect();
            for hearer in (0..4).filter(|hearer| *hearer != speaker) {
                if (hearer != 2 || end != End::Killed) && (hearer != 3 || millis >= began) {
                    nodes[hearer].hear(&told, millis);
                }
            }
        }
    }
    nodes.pop().unwrap()
}

#[test]
fn whoever_takes_the_place_of_one_not_missed_yet_learns_what_it_had_told() {
    for delay in (1..=200).step_by(3) {
        let mut node = successor(End::Killed, delay, |_, _| false);
        assert_eq!(node.heard(), 20, "after {delay} ms");
        assert!(!begins(&mut node, 7_500), "after {delay} ms");
    }
}

#[test]
fn it_learns_that_though_the_first_tellings_were_lost() {
    let dead = ProcessId(Uuid::from_u128(2));
    for until in [3_500, 4_500, 5_500] {
        let node = successor(End::Killed, 20, |millis, message| {
            millis < until && message.of == dead && message.process != dead
        });
        assert_eq!(node.heard(), 20, "lost until {until}");
    }
}

#[test]
fn it_learns_what_one_had_told_that_left_at_that_moment() {
    for after in 0..150 {
        let own = ProcessId(Uuid::from_u128(2));
        let node = successor(End::Leaves(after), 20, |millis, message| {
            // What it tells again itself may not be heard.
            millis >= 3_020 && message.process == own && !message.counts.is_empty()
        });
        assert_eq!(node.heard(), 20, "after {after} ms");
    }
}

#[test]
fn of_one_that_fell_silent_it_is_told_again_every_second_for_five() {
    let mut nodes = three();
    assert!(nodes[2].ask(KEY, 2_000));
    talk(&mut nodes, 2_000, 3_001);
    nodes[2] = Node::new(7, 3_050);
    for node in &mut nodes {
        node.read_after(true, &[0, 1, 2, 7], 3_050);
    }
    let told = talk_but(&mut nodes, 3_050, 12_000, |_, _| false);
    let dead = ProcessId(Uuid::from_u128(2));
    let told = told.iter().filter(|(_, message)| message.of == dead);
    let times: Vec<_> = told.map(|(millis, _)| *millis).collect();
    // First with everything else.
    assert_eq!(times, [3_100, 3_350, 4_350, 5_350, 6_350, 7_350]);
}
