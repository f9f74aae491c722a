//! Of whom the process knows, how many those may be, and for how long.

use super::*;

#[test]
fn a_row_that_nobody_claims_is_waited_for_and_then_missed() {
    let mut nodes = three();
    for node in &mut nodes {
        node.read(&[0, 1, 2, 3], 2_000);
    }
    talk(&mut nodes, 2_000, 2_900);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(2_900) == Some(Part::Whole))
    );
    talk(&mut nodes, 2_900, 3_100);
    assert!(nodes.iter().all(|node| is_share(node.part(3_100), 4)));
    for node in &mut nodes {
        node.read(&[0, 1, 2], 3_100);
    }
    talk(&mut nodes, 3_100, 3_200);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(3_200) == Some(Part::Whole))
    );
}

#[test]
fn who_leaves_is_missed_by_nobody() {
    let mut nodes = three();
    let mut gone = nodes.pop().unwrap();
    assert!(gone.ask(KEY, 2_000));
    let last = gone.leave(2_000);
    nodes[0].hear(&last, 2_000);
    // The other still speaks of it for a while.
    talk(&mut nodes, 2_050, 2_100);
    nodes[1].hear(&last, 2_100);
    for node in &mut nodes {
        node.read(&[0, 1], 2_100);
    }
    talk(&mut nodes, 2_100, 5_000);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(5_000) == Some(Part::Whole))
    );
    assert!(
        nodes
            .iter()
            .all(|node| node.heard() == 1 && node.gossip.sees() == (2, false))
    );
    nodes[0].hear(&last, 5_000);
    assert_eq!(nodes[0].gossip.sees(), (2, false));
}

#[test]
fn a_process_without_a_row_counts_for_a_minute() {
    let mut nodes = three();
    nodes[2].registry.fleet().register(None);
    for node in &mut nodes {
        node.read(&[0, 1], 2_000);
    }
    talk(&mut nodes, 2_000, 3_000);
    nodes.pop();
    talk(&mut nodes, 3_000, 62_900);
    assert!(nodes.iter().all(|node| is_share(node.part(62_900), 3)));
    // From when the last of them heard it: each spoke of it for a second.
    talk(&mut nodes, 62_900, 64_100);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(64_100) == Some(Part::Whole))
    );
}

#[test]
fn whoever_is_heard_by_one_is_counted_by_all() {
    let mut nodes = three();
    let mut rowless = Node::new(3, 2_000);
    rowless.registry.fleet().register(None);
    rowless.read(&[0, 1, 2], 2_000);
    nodes.push(rowless);
    talk_but(&mut nodes, 2_000, 4_000, |from, to| {
        (from == 3 && to != 0) || (to == 3 && from != 0)
    });
    assert!(nodes[..3].iter().all(|node| is_share(node.part(4_000), 4)));
    // It does not know what the two had admitted before it began.
    assert!(is_share(nodes[3].part(4_000), 2 * 4));
}

fn mention(process: u128) -> Message {
    let mut message = says(1, 100_000, 0);
    message.row = Some(row(1));
    message.known.push(Known {
        process: ProcessId(Uuid::from_u128(process)),
        row: None,
        number: 1,
        current: true,
    });
    message
}

/// How many it sees.
fn sees(node: &mut Node, millis: u64) -> usize {
    node.tick(millis);
    node.gossip.sees().0
}

#[test]
fn whoever_left_is_not_there_for_two_minutes_whatever_is_repeated_or_said_of_it() {
    let mut nodes = three();
    let last = nodes[2].leave(2_000);
    let node = &mut nodes[0];
    node.read(&[0, 1], 2_000);
    node.hear(&last, 2_000);
    assert_eq!(sees(node, 2_000), 2);
    node.hear(&last[..1], 2_010);
    assert_eq!(sees(node, 2_010), 2);
    node.hear(&[mention(2)], 2_020);
    assert_eq!(sees(node, 2_020), 2);
    assert_eq!(sees(node, 121_999), 2);
    node.hear(&last[..1], 121_999);
    assert_eq!(sees(node, 122_000), 2);
    node.hear(&last[..1], 122_000);
    assert_eq!(sees(node, 122_000), 3);
}

#[test]
fn a_fleet_has_so_many_processes_and_no_more() {
    let mut node = Node::new(0, 0);
    for process in 1..=300 {
        node.hear(&[says(process, 1, 0)], 0);
    }
    assert_eq!(sees(&mut node, 0), 1 + message::PROCESSES_MAX);
    // Whoever is heard goes on.
    assert!(
        node.gossip
            .peer(ProcessId(Uuid::from_u128(255)), at(0))
            .is_some()
    );
    assert!(
        node.gossip
            .peer(ProcessId(Uuid::from_u128(256)), at(0))
            .is_none()
    );
}

/// What one that is heard tells of one that is gone.
fn told_of_gone(node: &mut Node, gone: usize, key: Uuid, millis: u64) -> u32 {
    let number = u64::try_from(gone).unwrap() + 1;
    let told = Message {
        of: ProcessId(Uuid::from_u128(10_000 + gone as u128)),
        counts: vec![one(key.as_u128())],
        ..says(1, number, 0)
    };
    node.hear(&[told], millis);
    let credential = node.registry.credential(key, org());
    let state = credential.state();
    state.window.others().map_or(0, Others::total)
}

#[test]
#[cfg_attr(
    miri,
    ignore = "tens of thousands of things: hours under the interpreter"
)]
fn of_those_who_are_gone_so_many_count_each_by_itself_and_no_more() {
    let mut node = Node::new(0, 0);
    for gone in 0..GONE_MAX {
        let counted = told_of_gone(&mut node, gone, KEY, 0);
        assert_eq!(counted as usize, gone + 1);
    }
    assert_eq!(told_of_gone(&mut node, GONE_MAX, KEY, 0) as usize, GONE_MAX);
    // Two minutes later there is room again.
    let other = Uuid::from_u128(2);
    node.tick(119_999);
    assert_eq!(told_of_gone(&mut node, GONE_MAX + 1, other, 119_999), 0);
    node.tick(120_000);
    assert_eq!(told_of_gone(&mut node, GONE_MAX + 2, other, 120_000), 1);
}

#[test]
fn a_number_in_the_windows_is_never_given_twice() {
    let mut node = Node::new(0, 0);
    node.gossip.next_slot = u32::MAX - 2;
    // One of them is the teller's own.
    let counted = [0, 1, 2].map(|gone| told_of_gone(&mut node, gone, KEY, 0));
    assert_eq!(counted, [1, 1, 1]);
    assert_eq!(node.gossip.next_slot, u32::MAX);
}
