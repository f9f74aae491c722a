#![expect(clippy::unwrap_used, reason = "tests")]

mod begin;
mod known;
mod peer;
mod telling;

use domain::ids::OrgId;
use uuid::Uuid;

use super::*;
use crate::core::fleet::{Part, Share};
use crate::core::others::{Admitted, Others};

const LIMIT: u32 = 30;
const KEY: Uuid = Uuid::from_u128(1);

/// One process, and what it has to tell.
struct Node {
    registry: Registry,
    gossip: Gossip,
    noted: Vec<Arc<Credential>>,
}

fn at(millis: u64) -> Boottime {
    Boottime::from_nanos((1_000_000 + millis) * 1_000_000)
}

fn epoch() -> LogEpoch {
    LogEpoch::from_uuid(Uuid::from_u128(9))
}

fn row(number: u128) -> IncarnationId {
    IncarnationId::from_uuid(Uuid::from_u128(100 + number))
}

fn org() -> OrgId {
    OrgId::from_uuid(Uuid::from_u128(8))
}

impl Node {
    /// A replica, with its row.
    fn new(number: u128, millis: u64) -> Self {
        let registry = Registry::default();
        registry.fleet().register(Some(row(number)));
        let id = ProcessId(Uuid::from_u128(number));
        Self {
            registry,
            gossip: Gossip::new(id, epoch(), at(millis)),
            noted: Vec::new(),
        }
    }

    fn read(&mut self, rows: &[u128], millis: u64) {
        self.read_after(false, rows, millis);
    }

    /// Reads rows; others may have been deleted within the last minute.
    fn read_after(&mut self, ended_lately: bool, rows: &[u128], millis: u64) {
        let reading = Reading {
            epoch: epoch(),
            rows: rows.iter().map(|number| row(*number)).collect(),
            ended_lately,
        };
        self.gossip.read(&reading, at(millis));
    }

    fn tick(&mut self, millis: u64) -> Vec<Message> {
        let noted = std::mem::take(&mut self.noted);
        let noted = noted.into_iter();
        self.gossip.tick(noted, &self.registry, at(millis))
    }

    fn leave(&mut self, millis: u64) -> Vec<Message> {
        let noted = std::mem::take(&mut self.noted);
        let noted = noted.into_iter();
        self.gossip.leave(noted, &self.registry, at(millis))
    }

    fn hear(&mut self, messages: &[Message], millis: u64) {
        for message in messages {
            self.gossip.hear(message, &self.registry, at(millis));
        }
    }

    fn ask(&mut self, key: Uuid, millis: u64) -> bool {
        let part = self.part(millis);
        let credential = self.registry.credential(key, org());
        let (taken, news) = credential.state().take(at(millis), LIMIT, part);
        if news.is_first {
            self.noted.push(credential);
        }
        taken.admitted
    }

    /// Asks until it is refused; says how many were admitted.
    fn ask_all(&mut self, millis: u64) -> u32 {
        let admitted = (0..1_000).take_while(|_| self.ask(KEY, millis)).count();
        u32::try_from(admitted).unwrap()
    }

    fn part(&self, millis: u64) -> Option<Part> {
        self.registry.fleet().part(at(millis))
    }

    fn heard(&self) -> u32 {
        let credential = self.registry.credential(KEY, org());
        let state = credential.state();
        state.window.others().map_or(0, Others::total)
    }
}

/// Ticks of all, each heard by all others, every 50 ms from `from` to `to`.
fn talk(nodes: &mut [Node], from: u64, to: u64) {
    talk_but(nodes, from, to, |_, _| false);
}

/// The same, where some links are cut. Says what the first of them told, and when.
fn talk_but(
    nodes: &mut [Node],
    from: u64,
    to: u64,
    cut: impl Fn(usize, usize) -> bool,
) -> Vec<(u64, Message)> {
    let mut of_first = Vec::new();
    for millis in (from..to).step_by(50) {
        for speaker in 0..nodes.len() {
            let told = nodes[speaker].tick(millis);
            assert!(told.len() <= MESSAGES_MAX);
            assert!(
                told.iter()
                    .all(|message| message.counts.len() <= COUNTS_MAX)
            );
            for hearer in (0..nodes.len()).filter(|hearer| *hearer != speaker) {
                if !cut(speaker, hearer) {
                    nodes[hearer].hear(&told, millis);
                }
            }
            if speaker == 0 {
                of_first.extend(told.into_iter().map(|message| (millis, message)));
            }
        }
    }
    of_first
}

/// What another process says that has nothing to say, and knows all of ours up to `knows`.
fn says(process: u128, number: u64, knows: u64) -> Message {
    let process = ProcessId(Uuid::from_u128(process));
    Message {
        process,
        epoch: epoch(),
        row: None,
        number,
        state: State::default(),
        known: vec![Known {
            process: ProcessId(Uuid::from_u128(0)),
            row: None,
            number: knows,
            current: true,
        }],
        fills: None,
        of: process,
        counts: Vec::new(),
    }
}

/// That a process admitted one of that key.
fn one(key: u128) -> Count {
    Count {
        key: Uuid::from_u128(key),
        org: org(),
        admitted: Admitted {
            count: 1_000,
            recent: 1,
        },
    }
}

/// Three that know each other, at 2 s.
fn three() -> Vec<Node> {
    let mut nodes: Vec<_> = (0..3).map(|number| Node::new(number, 0)).collect();
    for node in &mut nodes {
        node.read(&[0, 1, 2], 0);
    }
    talk(&mut nodes, 0, 2_000);
    nodes
}

fn is_share(part: Option<Part>, among: u32) -> bool {
    matches!(part, Some(Part::Share(Share { among: of, .. })) if of == among)
}

#[test]
fn who_is_alone_tells_of_no_key_and_has_the_whole() {
    let mut node = Node::new(0, 0);
    node.read(&[0], 0);
    let mut told = Vec::new();
    for millis in (0..2_000).step_by(50) {
        told.extend(node.tick(millis));
        assert!(node.ask(KEY, millis) || millis >= 1_500);
        assert!(node.noted.is_empty());
    }
    assert_eq!(told.len(), 2, "once a second it says that it is there");
    assert!(told.iter().all(|message| message.counts.is_empty()));
    assert_eq!(node.part(2_000), None);
}

#[test]
fn what_one_admits_the_others_count() {
    let mut nodes = three();
    for (index, node) in nodes.iter().enumerate() {
        assert_eq!(node.part(2_000), Some(Part::Whole), "{index}");
    }
    assert_eq!(nodes[0].ask_all(2_000), LIMIT);
    talk(&mut nodes, 2_000, 2_050);
    assert_eq!([1, 2].map(|index| nodes[index].ask_all(2_050)), [0, 0]);
    // A minute, a step of half a second, and a tick later all of it is free again.
    talk(&mut nodes, 2_050, 63_000);
    assert_eq!(nodes[1].ask_all(63_000), LIMIT);
}

#[test]
fn a_lost_message_is_told_again() {
    let mut nodes = three();
    assert!(nodes[0].ask(KEY, 2_000));
    talk_but(&mut nodes, 2_000, 2_050, |from, to| (from, to) == (0, 1));
    assert_eq!([1, 2].map(|index| nodes[index].heard()), [0, 1]);
    talk(&mut nodes, 2_050, 2_450);
    assert_eq!([1, 2].map(|index| nodes[index].heard()), [1, 1]);
    talk(&mut nodes, 2_450, 6_000);
    assert_eq!(nodes[1].part(6_000), Some(Part::Whole));
}

#[test]
fn who_is_cut_off_has_its_share_and_so_have_all_others() {
    let mut nodes = three();
    // Two of them hear each other, and both hear the third.
    talk_but(&mut nodes, 2_000, 4_000, |from, to| (from, to) == (0, 1));
    for node in &nodes {
        assert!(is_share(node.part(4_000), 3), "{:?}", node.part(4_000));
    }
    let admitted: Vec<_> = nodes.iter_mut().map(|node| node.ask_all(4_000)).collect();
    assert_eq!(admitted, [LIMIT / 3; 3]);
    talk(&mut nodes, 4_000, 6_000);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(6_000) == Some(Part::Whole))
    );
    assert!(nodes.iter_mut().all(|node| node.ask_all(6_000) == 0));
}

#[test]
fn what_was_taken_before_the_cut_is_nobodys_share() {
    let mut nodes = three();
    for _ in 0..LIMIT / 2 {
        assert!(nodes[0].ask(KEY, 2_000));
    }
    talk(&mut nodes, 2_000, 2_100);
    talk_but(&mut nodes, 2_100, 4_000, |_, _| true);
    let admitted: Vec<_> = nodes.iter_mut().map(|node| node.ask_all(4_000)).collect();
    assert_eq!(admitted, [LIMIT / 2 / 3; 3]);
}

#[test]
fn what_is_heard_late_is_not_relied_on() {
    let mut nodes = three();
    let mut flying: VecDeque<(u64, Vec<Message>)> = VecDeque::new();
    for millis in (2_000..9_000).step_by(50) {
        flying.push_back((millis + 3_000, nodes[0].tick(millis)));
        let told = nodes[1].tick(millis);
        nodes[0].hear(&told, millis);
        while flying.front().is_some_and(|(due, _)| *due <= millis) {
            let (_, late) = flying.pop_front().unwrap();
            nodes[1].hear(&late, millis);
        }
    }
    // All of it came, and in order.
    assert!(is_share(nodes[1].part(9_000), 3));
}

#[test]
fn who_begins_learns_what_those_who_died_had_told() {
    let mut nodes = three();
    for _ in 0..20 {
        assert!(nodes[2].ask(KEY, 2_000));
    }
    talk(&mut nodes, 2_000, 2_100);
    nodes[2] = Node::new(7, 2_200);
    for node in &mut nodes {
        node.read(&[0, 1, 2, 7], 2_200);
    }
    nodes[2].tick(2_200);
    assert!(is_share(nodes[2].part(2_200), 2 * 4), "it knows nothing");
    talk(&mut nodes[..2], 2_100, 2_200);
    talk(&mut nodes, 2_200, 2_500);
    assert_eq!(nodes[2].heard(), 20);
    // The dead one's row is there for a while, so all have their shares of what is left.
    talk(&mut nodes, 2_500, 5_000);
    assert!(is_share(nodes[2].part(5_000), 4));
    assert_eq!(nodes[2].ask_all(5_000), (LIMIT - 20) / 4);
    for node in &mut nodes {
        node.read(&[0, 1, 7], 5_100);
    }
    talk(&mut nodes, 5_100, 5_300);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(5_300) == Some(Part::Whole))
    );
    assert_eq!(nodes[0].ask_all(5_300), LIMIT - 20 - (LIMIT - 20) / 4);
}

#[test]
fn what_was_admitted_alone_is_told_to_whoever_comes() {
    let mut nodes = vec![Node::new(0, 0), Node::new(1, 5_000)];
    nodes[0].read(&[0], 0);
    for millis in (0..5_000).step_by(50) {
        nodes[0].tick(millis);
    }
    assert_eq!(nodes[0].ask_all(4_900), LIMIT);
    for node in &mut nodes {
        node.read(&[0, 1], 5_000);
    }
    talk(&mut nodes, 5_000, 5_500);
    assert_eq!(nodes[1].heard(), LIMIT);
    assert!(
        nodes
            .iter()
            .all(|node| node.part(5_500) == Some(Part::Whole))
    );
    // The other goes, and comes back without having been away for itself.
    nodes[0].read(&[0], 8_000);
    talk_but(&mut nodes, 5_500, 68_000, |_, _| true);
    assert_eq!(nodes[0].part(68_000), None);
    assert_eq!(nodes[0].ask_all(68_000), LIMIT);
    nodes[0].read(&[0, 1], 68_000);
    talk(&mut nodes, 68_000, 70_000);
    assert_eq!(nodes[1].heard(), LIMIT);
}

#[test]
fn what_is_of_another_log_or_old_or_its_own_is_ignored() {
    let mut nodes = three();
    let key = Uuid::from_u128(2);
    assert!(nodes[0].ask(key, 2_000));
    let told = nodes[0].tick(2_000);
    let mut other_log = told.clone();
    other_log[0].epoch = LogEpoch::from_uuid(Uuid::nil());
    let mut old = told.clone();
    old[0].number = 1;
    nodes[1].hear(&other_log, 2_000);
    nodes[1].hear(&old, 2_000);
    nodes[0].hear(&told, 2_000);
    for node in &nodes[..2] {
        let credential = node.registry.credential(key, org());
        let state = credential.state();
        assert_eq!(state.window.others().map_or(0, Others::total), 0);
    }
    assert_eq!(nodes[0].gossip.sees(), (3, false));
}

#[test]
fn a_process_that_stood_still_sees_that_it_does_not_know() {
    let mut nodes = three();
    // Nobody called it meanwhile.
    assert!(is_share(nodes[0].part(9_000), 3));
    let told = nodes[0].tick(9_000);
    assert!(told.iter().all(|message| message.state.misses));
}
