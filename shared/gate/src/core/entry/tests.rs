#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::samples::{self, wall as now};
use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// From which something was taken away.
fn row() -> CredentialRow {
    CredentialRow {
        denied_at: GlobalPosition::new(7),
        ..samples::row(1)
    }
}

/// Which was suspended once.
fn org() -> OrgRow {
    OrgRow {
        denied_at: GlobalPosition::new(8),
        ..samples::org()
    }
}

/// Made when everything held everywhere.
const BASIS: Basis = Basis {
    stamp: Stamp::ZERO,
    epoch: LogEpoch::from_uuid(Uuid::nil()),
    settled: GlobalPosition::new(u64::MAX),
};

fn ranges(texts: &[&str]) -> Box<[IpNet]> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn an_entry_of_a_plain_key_is_small() {
    assert!(size_of::<Entry>() <= 40, "{}", size_of::<Entry>());
    assert!(size_of::<Profile>() <= 32, "{}", size_of::<Profile>());
}

#[test]
fn the_first_refusal_of_the_contract_counts() {
    let suspended = OrgRow {
        suspended: true,
        ..org()
    };
    let mut row = CredentialRow {
        status: Status::Ended,
        addresses: Some(ranges(&["10.0.0.0/8"])),
        owner_banned: true,
        ..row()
    };
    let refusal = |why, position| {
        let rests_on = GlobalPosition::new(position);
        Err(Refusal { why, rests_on })
    };
    let judge = |row: &CredentialRow, org: &OrgRow| row.judge(org, PEER, now());
    assert_eq!(judge(&row, &suspended), refusal(Refused::Ended, 7));
    row.status = Status::Active;
    row.ends_at = Some(now());
    assert_eq!(judge(&row, &suspended), refusal(Refused::Ended, 7));
    row.ends_at = None;
    assert_eq!(judge(&row, &suspended), refusal(Refused::Address, 7));
    row.addresses = Some(ranges(&["127.0.0.1/32"]));
    assert_eq!(judge(&row, &suspended), refusal(Refused::OrgSuspended, 8));
    assert_eq!(judge(&row, &org()), refusal(Refused::OwnerBanned, 7));
    row.owner_banned = false;
    assert_eq!(row.judge(&org(), PEER, now()), Ok(()));
}

#[test]
fn addresses_of_both_families_are_compared_as_what_they_are() {
    let list = ranges(&["192.0.2.0/24", "2001:db8::/32"]);
    for (peer, expected) in [
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("192.0.3.7", false),
        ("2001:db8::1", true),
        ("2001:db9::1", false),
    ] {
        assert_eq!(
            allows(Some(&list), peer.parse().unwrap()),
            expected,
            "{peer}"
        );
    }
}

#[test]
fn an_entry_judges_as_its_row_does() {
    let registry = Registry::default();
    let soon = now().plus(chrono::TimeDelta::seconds(5));
    let row = CredentialRow {
        ends_at: Some(soon),
        status: Status::Rotating,
        addresses: Some(ranges(&["127.0.0.0/8"])),
        ..row()
    };
    let entry = Entry::new(row.clone(), &org(), BASIS, &registry);
    for at in [now(), soon] {
        for peer in [PEER, "192.0.2.7".parse().unwrap()] {
            let of_row = row.judge(&org(), peer, at).map_err(|refusal| refusal.why);
            assert_eq!(entry.judge(peer, at), of_row);
        }
    }
    assert_eq!(entry.end(), Some((soon, true)));
    assert_eq!((entry.per_minute(), entry.per_day()), (60, Some(1_000)));
}

#[test]
fn what_was_taken_away_lately_is_remembered_and_not_shared() {
    let registry = Registry::default();
    let [unsettled, settled] = [6, 7].map(|position| Basis {
        settled: GlobalPosition::new(position),
        ..BASIS
    });
    let rests_on = RestsOn {
        epoch: BASIS.epoch,
        position: GlobalPosition::new(7),
    };
    for (basis, narrowed_at) in [(settled, None), (unsettled, Some(rests_on))] {
        let mut entries = Entries::new(basis);
        let entry = entries.make(row(), &org(), &registry);
        let other = entries.make(row(), &org(), &registry);
        assert_eq!(entry.narrowed_at(), narrowed_at);
        let shared = Arc::ptr_eq(&entry.profile, &other.profile);
        assert_eq!(shared, narrowed_at.is_none());
    }
}

#[test]
fn a_session_has_its_own_window_and_no_day() {
    let registry = Registry::default();
    let user = UserId::from_uuid(Uuid::from_u128(3));
    let row = CredentialRow {
        kind: CredentialKind::Session,
        owner: Some(user),
        ..row()
    };
    let entry = Entry::new(row, &org(), BASIS, &registry);
    assert_eq!((entry.per_minute(), entry.per_day()), (600, None));
    assert!(matches!(entry.principal(), Principal::Session { user: who, .. } if who == user));
}

#[test]
fn a_key_stands_for_a_program_though_a_person_is_behind_it() {
    let registry = Registry::default();
    let owner = Some(UserId::from_uuid(Uuid::from_u128(3)));
    let row = CredentialRow { owner, ..row() };
    let expected = Principal::Key {
        id: KeyId::from_uuid(row.id),
        org: row.org,
        scopes: row.scopes,
        owner,
    };
    let entry = Entry::new(row, &org(), BASIS, &registry);
    assert_eq!(entry.principal(), expected);
}

#[test]
fn an_entry_weighs_what_it_shares_with_no_other() {
    let registry = Registry::default();
    let own = |row: CredentialRow| {
        let entry = Entry::new(row, &org(), BASIS, &registry);
        entry.weight() as usize - size_of::<Entry>()
    };
    assert_eq!(own(row()), size_of::<Profile>());
    let listed = CredentialRow {
        addresses: Some(ranges(&["10.0.0.0/8", "2001:db8::/32"])),
        ..row()
    };
    let list = 2 * size_of::<IpNet>();
    assert_eq!(
        own(listed),
        size_of::<Profile>() + size_of::<Bounds>() + list
    );
    let mut entries = Entries::new(BASIS);
    let shared = [(); 2].map(|()| entries.make(row(), &org(), &registry));
    assert_eq!(
        shared.map(|entry| entry.weight() as usize),
        [size_of::<Entry>(); 2]
    );
}
