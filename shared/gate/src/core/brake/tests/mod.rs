#![expect(clippy::unwrap_used, reason = "tests")]

mod laws;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Monotonic {
    Monotonic::from_nanos(nanos)
}

fn peer(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0000 + number).into()
}

/// Spread as a digest is.
fn hash(number: u64) -> CredentialHash {
    let mut bytes = [0; 32];
    for (index, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 + 2 * index as u64);
        chunk.copy_from_slice(&word.rotate_left(29).to_le_bytes());
    }
    CredentialHash::from_bytes(bytes)
}

/// Asks about a hash that nobody has; false if the primary was not asked.
fn guess(brake: &Brake, from: IpAddr, number: u64, now: Monotonic) -> Result<(), Stopped> {
    let hash = hash(number);
    brake.ask(from, &hash, || false, now)?.failed(now);
    brake.told(&hash, now);
    Ok(())
}

/// As many as the source may fail.
fn exhaust(brake: &Brake, from: IpAddr, first: u64, now: Monotonic) {
    for number in first..first + u64::from(SOURCE.burst) {
        guess(brake, from, number, now).unwrap();
    }
    let stopped = guess(brake, from, first + 1_000, now);
    assert_eq!(stopped, Err(Stopped::Source));
}

#[test]
fn a_source_fails_so_often_and_then_once_in_two_seconds() {
    let brake = Brake::new();
    exhaust(&brake, peer(1), 0, at(9 * SECOND));
    assert!(guess(&brake, peer(1), 50, at(11 * SECOND - 1)).is_err());
    assert!(guess(&brake, peer(1), 51, at(11 * SECOND)).is_ok());
    assert!(guess(&brake, peer(1), 52, at(12 * SECOND)).is_err());
    assert!(guess(&brake, peer(2), 53, at(9 * SECOND)).is_ok());
}

#[test]
fn a_source_is_an_ipv4_address_however_written_or_a_64_of_ipv6() {
    let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(source("192.0.2.7"), source("::ffff:192.0.2.7"));
    assert_ne!(source("192.0.2.7"), source("192.0.2.8"));
    assert_eq!(
        source("2001:db8:0:1::1"),
        source("2001:db8:0:1:ffff:ffff:ffff:ffff")
    );
    assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
    assert_ne!(source("0.0.0.0"), source("::"));
}

#[test]
fn what_was_found_once_is_looked_up_however_much_its_source_fails() {
    let brake = Brake::new();
    let now = at(SECOND);
    brake.ask(peer(1), &hash(7), || false, now).unwrap().found();
    exhaust(&brake, peer(1), 100, now);
    for _ in 0..100 {
        brake.ask(peer(1), &hash(7), || false, now).unwrap().found();
    }
    assert!(brake.ask(peer(1), &hash(8), || false, now).is_err());
    assert!(brake.ask(peer(1), &hash(9), || true, now).is_ok());
}

#[test]
fn a_key_that_ended_is_real_no_more() {
    let brake = Brake::new();
    let now = at(SECOND);
    let ask = || brake.ask(peer(1), &hash(7), || true, now);
    ask().unwrap().found();
    assert!(!ask().unwrap().failed(now), "no guess: it was real");
    brake.told(&hash(7), now);
    // From now on it counts, cached or not.
    assert!(ask().unwrap().failed(now));
}

#[test]
fn an_ended_key_leaves_its_source_half_and_is_refused_beyond_without_a_look_up() {
    let brake = Brake::new();
    let now = at(SECOND);
    let ended = || {
        let asked = brake.ask(peer(1), &hash(7), || false, now);
        asked.map(|look_up| look_up.failed(now))
    };
    for _ in 0..REFUSED_BURST {
        assert_eq!(ended(), Ok(true));
        brake.told(&hash(7), now);
    }
    assert_eq!(ended(), Err(Stopped::Refused));
    for number in 100..100 + u64::from(SOURCE.burst - REFUSED_BURST) {
        assert!(guess(&brake, peer(1), number, now).is_ok());
    }
    assert_eq!(guess(&brake, peer(1), 200, now), Err(Stopped::Source));
    // What was told a minute ago may have changed.
    let later = now + TOLD_FOR;
    exhaust(&brake, peer(1), 300, later);
    let stopped = brake.ask(peer(1), &hash(7), || false, later).unwrap_err();
    assert_eq!(stopped, Stopped::Source);
}

/// A key of a suspended org is real, and its client may well go on.
#[test]
fn what_may_not_call_is_looked_up_fifty_times_a_second_until_it_may() {
    let brake = Brake::new();
    let ask = |from, now| brake.ask(peer(from), &hash(7), || true, now);
    let begun = at(SECOND);
    for _ in 0..100 {
        ask(1, begun).unwrap().found();
    }
    // Wherever it comes from. The first was no more than a look-up of what is real.
    ask(1, begun).unwrap().forbidden(begun);
    for from in 1..FORBIDDEN.burst {
        ask(from, begun).unwrap().forbidden(begun);
    }
    assert_eq!(ask(1, begun).unwrap_err(), Stopped::Forbidden);
    let looked_up = (1..=1_000).filter(|millis| {
        let now = begun + Duration::from_millis(*millis);
        ask(2, now).map(|look_up| look_up.forbidden(now)).is_ok()
    });
    assert_eq!(looked_up.count(), 50);
    // It was no failure of anybody's.
    let later = begun + Duration::from_secs(1);
    exhaust(&brake, peer(1), 100, later);
    let allowed = begun + Duration::from_millis(1_020);
    for _ in 0..100 {
        ask(1, allowed).unwrap().found();
    }
}

#[test]
fn a_crowd_is_no_guess_before_one_of_it_failed() {
    let brake = Brake::new();
    let now = at(SECOND);
    let crowd: Vec<_> = (0..u64::from(CROWD))
        .map(|number| brake.ask(peer(1), &hash(number), || false, now).unwrap())
        .collect();
    let stopped = brake.ask(peer(1), &hash(5_000), || false, now).unwrap_err();
    assert_eq!(stopped, Stopped::Source);
    for look_up in crowd {
        look_up.found();
    }
    exhaust(&brake, peer(1), 6_000, now);
}

#[test]
fn a_crowd_that_fails_is_forgotten_as_soon_as_a_burst() {
    let brake = Brake::new();
    let now = at(SECOND);
    let crowd: Vec<_> = (0..u64::from(CROWD))
        .map(|number| brake.ask(peer(1), &hash(number), || false, now).unwrap())
        .collect();
    for look_up in crowd {
        look_up.failed(now);
        assert!(
            guess(&brake, peer(1), 5_000, now).is_err(),
            "too many are under way"
        );
    }
    let forgotten = now + SOURCE.every * SOURCE.burst;
    exhaust(&brake, peer(1), 6_000, forgotten);
}

#[test]
fn what_is_under_way_counts_and_is_given_back_unless_it_fails() {
    let brake = Brake::new();
    let now = at(SECOND);
    guess(&brake, peer(1), 1_000, now).unwrap();
    let mut under_way: Vec<_> = (1..u64::from(SOURCE.burst))
        .map(|number| brake.ask(peer(1), &hash(number), || false, now).unwrap())
        .collect();
    let one_more = || brake.ask(peer(1), &hash(99), || false, now);
    assert_eq!(one_more().unwrap_err(), Stopped::Source);
    under_way.pop().unwrap().unanswered();
    one_more().unwrap().unanswered();
    under_way.pop().unwrap().found();
    one_more().unwrap().found();
    // Who hangs up has had the look-up.
    drop(under_way);
    let fresh = brake.ask(peer(1), &hash(98), || false, now);
    fresh.unwrap().failed(now);
    let fresh = brake.ask(peer(1), &hash(97), || false, now);
    fresh.unwrap().failed(now);
    assert!(brake.ask(peer(1), &hash(96), || false, now).is_err());
}

#[test]
fn a_look_up_that_is_dropped_late_counts_no_less() {
    let brake = Brake::new();
    let (began, now) = (at(SECOND), at(14 * SECOND));
    let under_way: Vec<_> = (0..10)
        .map(|number| brake.ask(peer(1), &hash(number), || false, began).unwrap())
        .collect();
    for number in 10..20 {
        guess(&brake, peer(1), number, now).unwrap();
    }
    drop(under_way);
    assert_eq!(guess(&brake, peer(1), 20, now), Err(Stopped::Source));
    // Nor is it remembered for longer.
    exhaust(&brake, peer(1), 100, now + SOURCE.every * SOURCE.burst);
}

#[test]
fn over_all_only_those_who_failed_themselves_are_bound() {
    let brake = Brake::new();
    let now = at(SECOND);
    let sources = OVERALL.burst / SOURCE.burst;
    for source in 0..sources {
        exhaust(&brake, peer(source), u64::from(source) * 10_000, now);
    }
    // Clean: its first look-up is free, and it fails.
    assert!(guess(&brake, peer(1_000), 1_000_000, now).is_ok());
    assert_eq!(
        guess(&brake, peer(1_000), 1_000_001, now),
        Err(Stopped::Overall)
    );
    for number in 0..100 {
        let look_up = brake.ask(peer(2_000 + number), &hash(number.into()), || false, now);
        look_up.unwrap().found();
    }
    let later = now + OVERALL.every;
    assert!(guess(&brake, peer(1_000), 1_000_002, later).is_ok());
}

#[test]
fn over_all_what_is_under_way_counts_of_those_who_failed() {
    let brake = Brake::new();
    let now = at(SECOND);
    let half = OVERALL.burst / 2;
    for source in 0..half {
        guess(&brake, peer(source), source.into(), now).unwrap();
    }
    let ask = |source: u32| {
        brake.ask(
            peer(source),
            &hash(1_000 + u64::from(source)),
            || false,
            now,
        )
    };
    let mut under_way: Vec<_> = (0..half).map(|source| ask(source).unwrap()).collect();
    assert_eq!(ask(0).unwrap_err(), Stopped::Overall);
    ask(half).unwrap().unanswered();
    under_way.pop().unwrap().unanswered();
    ask(0).unwrap().unanswered();
}

#[test]
fn a_source_is_clean_again_a_minute_after_its_failures_are_forgotten() {
    let mut debt = Debt::default();
    assert!(!debt.failed_lately(at(0)));
    debt.fail(&SOURCE, at(10 * SECOND));
    assert!(debt.failed_lately(at(72 * SECOND - 1)));
    assert!(!debt.failed_lately(at(72 * SECOND)));
}

#[test]
fn the_table_forgets_first_whoever_failed_least() {
    let brake = Brake::sized(8, 8);
    exhaust(&brake, peer(0), 0, at(SECOND));
    for source in 1..100 {
        guess(&brake, peer(source), u64::from(source) * 1_000, at(SECOND)).unwrap();
    }
    assert!(guess(&brake, peer(0), 999, at(SECOND)).is_err());
    // Those that have look-ups under way are not forgotten, and nobody is refused for want of room.
    let brake = Brake::sized(8, 8);
    let under_way: Vec<_> = (0..20)
        .map(|source| brake.ask(peer(source), &hash(source.into()), || false, at(SECOND)))
        .collect();
    assert!(under_way.iter().all(Result::is_ok));
    assert_eq!(
        brake
            .state()
            .sources
            .find(Source::from(peer(0)))
            .unwrap()
            .pending,
        1
    );
}

#[test]
#[cfg_attr(
    miri,
    ignore = "tens of thousands of things: hours under the interpreter"
)]
fn the_memory_is_fixed() {
    let brake = Brake::new();
    for number in 0..50_000 {
        let source = Ipv6Addr::from(u128::from(number) << 64);
        let _ = guess(&brake, source.into(), number, at(SECOND));
        brake.proven.insert(&hash(number));
    }
    assert_eq!(brake.state().sources.slots(), sources::SLOTS);
    let newest = hash(49_999);
    assert!(brake.proven.contains(&newest));
    assert!(brake.state().told.contains(&newest, at(SECOND)));
}

#[test]
fn guesses_at_passwords_count_with_those_at_credentials() {
    let brake = Brake::new();
    let now = at(SECOND);
    for number in 0..u64::from(SOURCE.burst / 2) {
        brake.guess(peer(1), now).unwrap().failed(now);
        guess(&brake, peer(1), number, now).unwrap();
    }
    assert_eq!(brake.guess(peer(1), now).unwrap_err(), Stopped::Source);
    assert_eq!(guess(&brake, peer(1), 80, now), Err(Stopped::Source));
    let later = at(3 * SECOND);
    for _ in 0..SOURCE.burst {
        brake.guess(peer(1), later).unwrap().passed();
    }
    // Who hangs up has guessed all the same.
    drop(brake.guess(peer(1), later).unwrap());
    assert!(brake.guess(peer(1), later).is_err());
    assert!(brake.guess(peer(2), later).is_ok());
}
