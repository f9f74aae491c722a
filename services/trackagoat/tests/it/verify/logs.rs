//! The log in its database.

use std::fs;
use std::path::Path;

use domain::event::{Event, KeyChanged, KeyRevoked, RevocationReason};
use domain::ids::{GlobalPosition, TreeSize};
use domain::signed::Restoration;
use event_log::{Signer, SignerConfig, SignerError, begin_epoch_in_tx, note_restoration_in_tx};

use super::{World, key, rewritten};

/// Six events of two orgs, then as many more.
const MORE: u64 = 6;
const ALL: u64 = 6 + MORE;

#[tokio::test]
async fn a_log_that_nobody_changed_is_sound() {
    let (world, orgs) = World::filled(MORE, true).await;
    let copies = world.copies();
    let again = copies.join("..").join(copies.file_name().unwrap());
    let public = key().verifier().to_string();
    let said = world
        .verify(&[
            "--public-key",
            &public,
            "--checkpoint-dir",
            copies.to_str().unwrap(),
            "--checkpoint-dir",
            again.to_str().unwrap(),
        ])
        .await;
    said.is(0, "everything is as it was recorded");
    said.is(0, &format!("{ALL} events of 2 streams were looked at"));
    said.is(0, "7 in the database, 6 in folders, 0 on the stream");
    // Signed with another key, which is the only one that is believed.
    let other = super::NoteSigner::new("trackagoat".parse().unwrap(), &[8; 32].into());
    let other = other.verifier().to_string();
    let doubted = world.verify(&["--public-key", &other]).await;
    doubted.is(1, "signed with none of the given keys");

    for arguments in [
        &["--org", &orgs[0].to_string()][..],
        &["--org", &orgs[1].to_string(), "--stream", "decisions"],
    ] {
        let said = world.verify(arguments).await;
        said.is(3, "decisions: 6 events, up to version 6");
        said.is(3, "nothing wrong was found");
    }
    let nobody = "00000000-0000-7000-8000-000000000000";
    world.verify(&["--org", nobody]).await.is(2, "no org");
    let signed = ["--org", nobody, "--public-key", &public];
    world.verify(&signed).await.is(2, "cannot be used with");
    // With nothing from outside the database.
    let doubted = world.verify(&[]).await;
    doubted.is(
        3,
        "not proven: that the log's own key signed what is signed",
    );
    doubted.is(
        3,
        "not proven: that what was signed was not changed with the events",
    );
    // What is not signed yet could have been rewritten with its hashes.
    world.append(orgs[0], vec![super::project()]).await;
    world
        .verify(&[])
        .await
        .is(3, &format!("events after position {ALL} were not changed"));
    world.stop().await;
}

#[tokio::test]
async fn whatever_is_done_to_an_event_is_found_where_it_was_done() {
    let flip = "update log.events set data = replace(data::text, 'Spring', 'Sprinh')::json where position = 9";
    let actor = "update log.events set actor = 'user:0192f0c1-2b7e-7c00-8000-00000000abcd' where position = 9";
    let time =
        "update log.events set recorded_at = recorded_at - interval '1 day' where position = 9";
    let unreadable = "update log.events set actor = 'nobody' where position = 9";
    let short = "update log.events set hash = '\\x00' where position = 9";
    let delete = "delete from log.events where position = 9";
    let swap = "update log.events set position = 15000000 where position = 8;
        update log.events set position = 8 where position = 9;
        update log.events set position = 9 where position = 15000000";
    let auth = "update log.events set auth_prev = 2 where position = 5";
    let unmarked = "update log.events set auth_prev = null where position = 5";
    let marked = "update log.events set auth_prev = 5 where position = 9";
    let beginning = "delete from log.events where position <= 4";
    let cut = "delete from log.events where position > 10;
        update log.head set position = 10";
    let quiet_cut = "delete from log.events where position > 10";
    let head = "update log.head set position = 10";
    let head_auth = "update log.head set auth_position = 1";
    for (statement, found) in [
        (flip, "position 9: its hash is not that of its content"),
        (actor, "position 9: its hash is not that of its content"),
        (time, "position 9: its hash is not that of its content"),
        (unreadable, "position 9: its actor is no actor"),
        (short, "position 9: its hash is not 32 bytes"),
        (delete, "position 9: it is missing"),
        (beginning, "positions 1 to 4: the log lacks its beginning"),
        (swap, "position 8: its hash is not that of its content"),
        (
            auth,
            "position 5: it names 2 as the event before it that changes who may call; that is 4",
        ),
        (
            unmarked,
            "position 5: it changes who may call, and is not marked as such",
        ),
        (
            marked,
            "position 9: it is marked to change who may call, and does not",
        ),
        (
            cut,
            "positions 11 to 12: missing: a head over 12 events was signed",
        ),
        (quiet_cut, "position 11: it is missing"),
        (
            head,
            "positions 11 to 12: missing: a head over 12 events was signed",
        ),
        (
            head_auth,
            "the last event that changes who may call is at 5, the log says 1",
        ),
    ] {
        let (world, _) = World::filled(MORE, true).await;
        world.tamper(statement).await;
        let said = world.verify(&[]).await;
        said.is(1, "WRONG");
        assert!(said.text.contains(found), "{statement}: {}", said.text);
        world.stop().await;
    }
}

/// The rest of its stream is rewritten too, so no chain shows it: only what was signed does.
#[tokio::test]
async fn an_event_that_was_rewritten_with_its_hashes_is_found_by_what_was_signed() {
    let (world, orgs) = World::filled(MORE, true).await;
    let events = world.events(orgs[0]).await;
    let last = events.last().unwrap();
    assert_eq!(last.position, GlobalPosition::new(11));
    let other = rewritten(last);
    let rewrite = format!(
        "update log.events set data = '{}', hash = '\\x{}' where position = 11",
        other.data, other.hash
    );
    world.tamper(&rewrite).await;
    world
        .verify(&["--org", &orgs[0].to_string()])
        .await
        .is(3, "nothing wrong was found");
    let said = world.verify(&[]).await;
    said.is(
        1,
        "position 11: not the events over which the head in the database was signed",
    );
    // All that was signed is gone from the database as well; copies are not.
    world
        .tamper("delete from log.checkpoints; delete from log.newest_checkpoint")
        .await;
    world
        .verify(&[])
        .await
        .is(3, "events after position 0 were not changed");
    let copies = world.copies();
    let said = world
        .verify(&["--checkpoint-dir", copies.to_str().unwrap()])
        .await;
    said.is(
        1,
        "position 11: not the events over which the head in the folder of checkpoints was",
    );
    world.stop().await;
}

/// A path that was mistyped must not look like a folder that agrees.
#[tokio::test]
async fn a_folder_without_signed_heads_is_a_doubt() {
    let (world, _) = World::filled(MORE, true).await;
    let (public, copies) = (key().verifier().to_string(), world.copies());
    let verify = async |folders: &[&Path]| {
        let named = folders.iter().map(|folder| folder.to_str().unwrap());
        let named = named.flat_map(|folder| ["--checkpoint-dir", folder]);
        let arguments: Vec<_> = ["--public-key", &public].into_iter().chain(named).collect();
        world.verify(&arguments).await
    };
    verify(&[&copies])
        .await
        .is(0, "everything is as it was recorded");
    let (missing, empty) = (copies.join("missing"), copies.join("empty"));
    fs::create_dir(&empty).unwrap();
    for folder in [missing, empty] {
        let said = verify(&[&copies, &folder]).await;
        said.is(
            3,
            &format!("kept in {}: nothing is there", folder.display()),
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn what_stands_beside_the_events_is_looked_at_too() {
    let (world, _) = World::filled(300, false).await;
    world.sound().await.is(0, "306 events");
    let tile = "update log.merkle set hash = sha256(hash)";
    let no_tile = "delete from log.merkle";
    let root = "update log.checkpoints set root = sha256(root)";
    let note = "update log.newest_checkpoint set note = replace(note, '306', '305')";
    let credential = "insert into gate.credentials
        select sha256('x'), gen_random_uuid(), org_id, 1, 1, 31, false, null, false, 60, null, null, null, 1
        from gate.orgs limit 1";
    let exchanged = "update gate.credentials set hash = sha256(hash)";
    let undo = "begin; rollback";
    for (statement, found) in [
        (
            exchanged,
            "may call, and no event of the log made it as it is (2 such)",
        ),
        (
            credential,
            "may call, and no event of the log made it as it is (3 such)",
        ),
        (
            note,
            "the head over 306 events in the database: the signature of trackagoat is wrong",
        ),
        (root, "its note says something else than its row"),
        (
            tile,
            "positions 1 to 256: not the events of which the tree keeps a hash at level 8",
        ),
        (
            no_tile,
            "positions 1 to 256: the tree keeps no hash of them at level 8",
        ),
        (undo, ""),
    ] {
        if statement != undo {
            world.tamper(statement).await;
        }
        let said = world.verify(&[]).await;
        said.is(1, "WRONG");
        assert!(said.text.contains(found), "{statement}: {}", said.text);
    }
    world.stop().await;
}

#[tokio::test]
async fn who_may_call_is_what_the_events_say() {
    let (world, orgs) = World::filled(2, false).await;
    let made = world.events(orgs[0]).await;
    let made = made.iter().find(|event| &*event.type_name == "key.created");
    let Event::KeyCreated(key) = made.unwrap().decode().unwrap().event else {
        panic!("another event");
    };
    let end = super::now();
    let narrowed = KeyChanged {
        expires_at: Some(Some(end)),
        ip_allowlist: Some(Some(vec!["10.0.0.0/8".parse().unwrap()])),
        narrowed: true,
        ..KeyChanged::nothing(key.key_id)
    };
    world.append(orgs[0], vec![narrowed.into()]).await;
    world.sign().await;
    world
        .sound()
        .await
        .is(0, "everything is as it was recorded");
    let id = key.key_id;
    for change in [
        "expires_at = null",
        "ip_allowlist = null",
        "scopes = 63",
        "strict = true",
        "org_id = gen_random_uuid()",
    ] {
        let change = format!("update gate.credentials set {change} where id = '{id}'");
        world.tamper(change).await;
        let said = world.verify(&[]).await;
        said.is(1, &format!("WRONG: credential {id}"));
        world
            .tamper(format!(
                "update gate.credentials set expires_at = '{end}', ip_allowlist = '{{10.0.0.0/8}}',
                     scopes = {}, strict = false, org_id = '{}' where id = '{id}'",
                key.scopes.bits(),
                orgs[0]
            ))
            .await;
        world
            .sound()
            .await
            .is(0, "everything is as it was recorded");
    }
    let revoked = KeyRevoked {
        key_id: id,
        reason: RevocationReason::Requested,
    };
    world.append(orgs[0], vec![revoked.into()]).await;
    world.sign().await;
    world
        .sound()
        .await
        .is(0, "everything is as it was recorded");
    let again = format!("update gate.credentials set status = 1 where id = '{id}'");
    world.tamper(again).await;
    world.verify(&[]).await.is(
        1,
        "may call, and by the events of the log it ended (1 such)",
    );
    world.stop().await;
}

/// A log that is changed and given another epoch is still held to what was signed of the former one.
#[tokio::test]
async fn a_new_epoch_hides_nothing() {
    let (world, orgs) = World::filled(MORE, true).await;
    world
        .tamper("update log.head set epoch = gen_random_uuid()")
        .await;
    let refused = world.signer().sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(_)), "{refused}");
    world
        .sound()
        .await
        .is(3, "of the log ended with a restore: nothing says so");

    let events = world.events(orgs[0]).await;
    let other = rewritten(events.last().unwrap());
    world
        .tamper(format!(
            "update log.events set data = '{}', hash = '\\x{}' where position = 11;
             delete from log.checkpoints; delete from log.newest_checkpoint",
            other.data, other.hash
        ))
        .await;
    let refused = world.signer().sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(_)), "{refused}");
    // One that cannot see the copies signs it; whoever has them is not deceived.
    let blind = Signer::new(world.log.clone(), None, SignerConfig::new(key()));
    blind.sign_once().await.unwrap();
    world.sound().await.is(
        1,
        "position 11: not the events over which the head in the folder of checkpoints was",
    );
    world.stop().await;
}

/// What was signed after the moment to which a database is restored is gone with a note of it alone.
#[tokio::test]
async fn a_log_that_was_restored_is_sound_if_a_signed_note_says_so() {
    let (world, _) = World::filled(MORE, true).await;
    let former = world.log.head().await.unwrap().epoch;
    world
        .tamper(
            "delete from log.events where position > 10; update log.head set position = 10;
             delete from log.checkpoints where tree_size > 10; delete from log.newest_checkpoint",
        )
        .await;
    world.sound().await.is(1, "positions 11 to 12: missing");
    let mut connection = world.db.pool().acquire().await.unwrap();
    let epoch = begin_epoch_in_tx(&mut connection).await.unwrap();
    let restoration = Restoration {
        origin: "trackagoat".parse().unwrap(),
        former,
        size: TreeSize::new(10),
        known: TreeSize::new(12),
        epoch,
        at: super::now(),
    };
    world.sound().await.is(1, "positions 11 to 12: missing");
    note_restoration_in_tx(&mut connection, &restoration, None)
        .await
        .unwrap();
    let refused = world.signer().sign_once().await.unwrap_err();
    assert!(matches!(refused, SignerError::Unattested(_)), "{refused}");
    world
        .sound()
        .await
        .is(3, "what says so is under no signature");
    note_restoration_in_tx(&mut connection, &restoration, Some(&key()))
        .await
        .unwrap();
    world.sign().await;
    let sound = world.sound().await;
    sound.is(
        0,
        "2 signed heads are of events that are gone since the log was restored",
    );
    // The note stands with the copies too.
    world.tamper("delete from log.restorations").await;
    world
        .sound()
        .await
        .is(0, "everything is as it was recorded");
    world.stop().await;
}

#[tokio::test]
async fn the_newest_head_is_printed_and_keys_are_made_for_their_owner_only() {
    let (world, _) = World::filled(1, false).await;
    let mut command = crate::dev::binary();
    command
        .env("TGA_DATABASE_URL", world.db.url())
        .args(["log", "checkpoint"]);
    let printed = crate::dev::run(command).await;
    let note = String::from_utf8(printed.stdout).unwrap();
    let signed = domain::signed::Checkpoint::open(&note, &[key().verifier()]).unwrap();
    assert_eq!(signed.size.get(), 7);

    let path = world.folder.path().join("signing.key");
    let new = async || {
        let mut command = crate::dev::binary();
        command
            .args([
                "log",
                "new-signing-key",
                "--log-name",
                "goats.example/log",
                "--file",
            ])
            .arg(&path);
        crate::dev::run(command).await
    };
    let output = new().await;
    let public = String::from_utf8(output.stdout).unwrap();
    let public: domain::signed::VerifierKey = public.trim().parse().unwrap();
    assert_eq!(public.name().as_str(), "goats.example/log");
    let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 64);
    // Never written over: what it signed could not be verified any more.
    assert!(!new().await.status.success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    world.stop().await;
}
