//! What is read of archived events in other ways than one after the other: an org's, selected ones, by
//! instants, in proofs.

use domain::event::Stream;
use domain::ids::{GlobalPosition, TreeSize};
use domain::merkle::proof::{proves_consistency, proves_inclusion};
use domain::signed::NoteSigner;
use event_log::{EventLog, ReadError, Selection, Signer, SignerConfig, SignerError, StoredEvent};
use futures_util::future::poll_immediate;
use testkit::eventually;

use super::{SIZE, World, hang};
use crate::org_events::{BOTH, walked};
use crate::replay::told;
use crate::support::{SOON, position, whole_log};

fn is_archived(error: &ReadError, upto: u64) -> bool {
    matches!(error, ReadError::Archived { earliest, .. } if *earliest == position(upto + 1))
}

fn config() -> SignerConfig {
    let key = NoteSigner::new("trackagoat".parse().unwrap(), &[7; 32].into());
    SignerConfig::new(key)
}

async fn sign(log: &EventLog) {
    let signer = Signer::new(log.clone(), None, config());
    signer.sign_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orgs_events_are_walked_through_wherever_they_stand() {
    let world = World::new(2 * SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    let head = whole.len() as u64;
    assert_eq!(world.archive().await, position(2 * SIZE));
    let (reader, blind) = (world.with_folder(), world.log());
    for org in &world.orgs {
        let own = |streams: &[Stream], after: u64, to: u64| -> Vec<StoredEvent> {
            let is_meant = |event: &&StoredEvent| {
                let at = event.position.get();
                event.org_id == *org && streams.contains(&event.stream) && at > after && at <= to
            };
            whole.iter().filter(is_meant).cloned().collect()
        };
        for (after, to) in [
            (0, head),
            (0, 100),
            (130, 470),
            (SIZE, 2 * SIZE),
            (599, head),
        ] {
            for streams in [&BOTH[..], &BOTH[..1], &BOTH[1..]] {
                let due = own(streams, after, to);
                assert_eq!(walked(&reader, *org, streams, after, to).await, due);
            }
            let decided = walked(blind, *org, &BOTH[..1], after, to).await;
            assert_eq!(decided, own(&BOTH[..1], after, to));
        }
        let end = 2 * SIZE;
        assert_eq!(
            walked(blind, *org, &BOTH, end, head).await,
            own(&BOTH, end, head)
        );
        let mut walk = blind.walk_org(*org, &BOTH, position(17), position(head));
        let error = walk.next_page().await.unwrap_err();
        assert!(is_archived(&error, end), "{error}");

        let positions: Vec<_> = whole.iter().map(|event| event.position).collect();
        let found = reader.read_org_at(*org, &positions).await.unwrap();
        assert_eq!(found, own(&BOTH, 0, head));
        let online = blind.read_org_at(*org, &positions).await.unwrap();
        assert!(online.len() < found.len());
        assert!(online.iter().all(|event| found.contains(event)));
    }
}

/// A frame that somebody has just read is at hand for all, and is not read again for each page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_unpacked_for_one_is_read_by_others() {
    let world = World::new(SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    assert_eq!(world.archive().await, position(SIZE));
    let reader = world.with_folder();
    let page = reader.read(GlobalPosition::ZERO, 100).await.unwrap();
    assert_eq!(page, whole[..100]);
    // From here on nothing more can be had of the file.
    let file = world.path().join(format!("events-1-{SIZE}.ndjson.zst"));
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(0).unwrap();
    let positions: Vec<_> = whole[..100].iter().map(|event| event.position).collect();
    for org in &world.orgs {
        let found = reader.read_org_at(*org, &positions).await.unwrap();
        let own = whole[..100].iter().filter(|event| event.org_id == *org);
        assert_eq!(found, own.cloned().collect::<Vec<_>>());
    }
}

/// What is archived while somebody goes through it is neither left out nor given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_goes_on_where_events_were_archived_meanwhile() {
    let world = World::new(SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    let (org, head) = (world.orgs[0], whole.len() as u64);
    let reader = world.with_folder();
    let mut walk = reader.walk_org(org, &BOTH, GlobalPosition::ZERO, position(100));
    let mut all = Vec::new();
    for end in [100, head] {
        walk.extend(position(end));
        loop {
            let page = walk.next_page().await.unwrap();
            if page.is_empty() {
                break;
            }
            all.extend(page);
        }
        world.archive().await;
    }
    let own: Vec<_> = whole
        .into_iter()
        .filter(|event| event.org_id == org)
        .collect();
    assert_eq!(all, own);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_told_again_from_the_archive() {
    let world = World::new(2 * SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    let head = whole.len() as u64;
    world.archive().await;
    let (reader, blind) = (world.with_folder(), world.log());
    let everything = Selection::default;
    assert_eq!(told(&reader, 0, head, everything()).await, whole);
    assert_eq!(told(&reader, 290, 610, everything()).await, whole[290..610]);
    let end = 2 * SIZE;
    let rest = usize::try_from(end).unwrap();
    assert_eq!(told(blind, end, head, everything()).await, whole[rest..]);
    let selection = || Selection {
        org: Some(world.orgs[1]),
        types: vec![
            "key.*".parse().unwrap(),
            "observation.recorded".parse().unwrap(),
        ],
    };
    let selected = whole.iter().filter(|event| {
        let name = &*event.type_name;
        event.org_id == world.orgs[1]
            && (name.starts_with("key.") || name == "observation.recorded")
    });
    let selected: Vec<_> = selected.cloned().collect();
    assert_eq!(told(&reader, 0, head, selection()).await, selected);
    for after in [0, end - 1] {
        let mut replay = blind.replay(position(after), position(head), selection());
        let error = replay.next_page().await.unwrap_err();
        assert!(is_archived(&error, end), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instant_has_its_position_in_the_archive_too() {
    let world = World::new(2 * SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    world.archive().await;
    let (reader, blind) = (world.with_folder(), world.log());
    let tick = chrono::TimeDelta::microseconds(1);
    let mut unsure = 0;
    for event in &whole {
        for at in [event.recorded_at, event.recorded_at.minus(tick)] {
            let due = whole.iter().rev().find(|event| event.recorded_at <= at);
            let due = due.map_or(GlobalPosition::ZERO, |event| event.position);
            let told = reader.moment(at).await.unwrap();
            assert_eq!((told.at_least, told.at_most), (due, due), "{at}");
            let told = blind.moment(at).await.unwrap();
            assert!(
                told.at_least <= due && due <= told.at_most,
                "{told:?} {due}"
            );
            unsure += u32::from(told.at_least < told.at_most);
        }
    }
    assert!(unsure > 0, "everything is online");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_events_are_proven_by_whoever_has_the_archive() {
    let world = World::new(2 * SIZE + 50).await;
    let whole = whole_log(world.log()).await;
    sign(world.log()).await;
    world.archive().await;
    // The tree grows on without the archive.
    world.fill(2 * SIZE + 150).await;
    sign(world.log()).await;
    let (reader, blind) = (world.with_folder(), world.log());
    let size = TreeSize::new(world.log().head().await.unwrap().position.get());
    let root = blind.tree_edge(size).await.unwrap().unwrap().root();
    for at in [1, 2, 255, 256, 257, 299, 300, 301, 512, 600, 601, 640] {
        let event = &whole[at - 1];
        let proof = reader.inclusion_proof(event.position, size).await;
        let proof = proof.unwrap().unwrap();
        assert_eq!(proof.root, root);
        let (leaf, index) = (proof.leaf, proof.leaf_index);
        assert!(
            proves_inclusion(leaf, index, size.get(), &proof.hashes, root),
            "{at}"
        );
    }
    for from in [1, 100, 256, 299, 300, 301, 600] {
        let first = TreeSize::new(from);
        let former = reader.tree_edge(first).await.unwrap().unwrap().root();
        let proof = reader
            .consistency_proof(first, size)
            .await
            .unwrap()
            .unwrap();
        assert!(
            proves_consistency(from, size.get(), &proof, former, root),
            "{from}"
        );
    }
    let error = blind
        .inclusion_proof(position(100), size)
        .await
        .unwrap_err();
    assert!(is_archived(&error, 2 * SIZE), "{error}");
    let error = blind
        .consistency_proof(TreeSize::new(100), size)
        .await
        .unwrap_err();
    assert!(is_archived(&error, 2 * SIZE), "{error}");
    let online = blind.inclusion_proof(position(640), size).await.unwrap();
    assert!(online.is_some());
}

/// Also if it ends among events that are archived: who has the folder knows them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_what_was_signed_is_still_required() {
    let world = World::new(100).await;
    let copies = tempfile::tempdir().unwrap();
    let old = SignerConfig {
        folder: Some(copies.path().to_owned()),
        ..config()
    };
    let sign = async |log: EventLog, config: &SignerConfig| {
        let signer = Signer::new(log, None, config.clone());
        signer.sign_once().await
    };
    let signed = sign(world.log().clone(), &old).await.unwrap();
    assert!((100..SIZE).contains(&signed.get()) && signed.get() % 256 > 0);
    world.fill(SIZE + 50).await;
    sign(world.log().clone(), &config()).await.unwrap();
    world.archive().await;
    let blind = sign(world.log().clone(), &old).await.unwrap_err();
    assert!(
        matches!(&blind, SignerError::Read(error) if is_archived(error, SIZE)),
        "{blind}"
    );
    let head = world.log().head().await.unwrap().position.get();
    let signed = sign(world.with_folder(), &old).await.unwrap();
    assert_eq!(signed.get(), head);
}

/// A projection that is made anew, say, or an org's events that are told again: it reads all of the archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_the_archive_holds_up_no_proof() {
    for is_of_org in [false, true] {
        let world = World::new(2 * SIZE + 50).await;
        sign(world.log()).await;
        world.archive().await;
        let manifest = world
            .path()
            .join(format!("events-{}-{}.json", SIZE + 1, 2 * SIZE));
        let hanging = hang(&manifest);
        let reader = world.with_folder();
        let head = world.log().head().await.unwrap().position;
        let selection = Selection {
            org: Some(world.orgs[0]),
            ..Selection::default()
        };
        let mut walk = Box::pin(async {
            if is_of_org {
                let mut replay = reader.replay(position(SIZE), head, selection);
                replay.next_page().await.map(drop)
            } else {
                reader.read(position(SIZE), 10).await.map(drop)
            }
        });
        let hangs = eventually(SOON, "it to hang", async || hanging.is_finished());
        tokio::select! {
            _ = &mut walk => panic!("it ended"),
            () = hangs => {}
        }
        let size = TreeSize::new(head.get());
        let proof = reader.consistency_proof(TreeSize::new(100), size).await;
        assert!(proof.unwrap().is_some());
        assert!(poll_immediate(&mut walk).await.is_none());
        drop(hanging.join());
        walk.await.unwrap_err();
    }
}
