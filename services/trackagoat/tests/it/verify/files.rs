//! An exported file, with the log's public key and nothing else.

use std::fs;

use domain::ids::StreamVersion;
use event_log::StoredEvent;

use super::{World, key, now, rewritten, said, verify};

/// What somebody does to a file.
type Change<'a> = &'a dyn Fn(&mut Vec<String>);

/// An org's events as lines, and the line that seals them.
async fn exported(world: &World, org: domain::ids::OrgId) -> (Vec<StoredEvent>, Vec<String>) {
    let seal = world.seal(org).await;
    let events = world.events(org).await;
    let mut lines: Vec<_> = events.iter().map(StoredEvent::to_cloud_event).collect();
    lines.push(seal);
    (events, lines)
}

#[tokio::test]
async fn an_export_with_its_seal_is_complete() {
    let (world, [org, _]) = World::filled(6, false).await;
    let (_, lines) = exported(&world, org).await;
    let whole = world.verify_file(&lines, &[]).await;
    whole.is(0, "6 events were looked at, the last at position 11");
    whole.is(0, "position 12 of the log");
    whole.is(0, "everything is as it was recorded");
    // One stream of it alone, and compressed.
    world
        .verify_file(&lines, &["--stream", "decisions"])
        .await
        .is(0, "complete as of");
    let packed = zstd::stream::encode_all((lines.join("\n") + "\n").as_bytes(), 3).unwrap();
    let path = world.folder.path().join("export.ndjson.zst");
    fs::write(&path, packed).unwrap();
    let public = world.folder.path().join("public.key");
    fs::write(&public, format!("{}\n", key().verifier())).unwrap();
    let (path, public) = (path.to_str().unwrap(), public.to_str().unwrap());
    let packed = said(verify(&["--file", path, "--public-key", public])).await;
    packed.is(0, "complete as of");
    // Held to a head that came by another way.
    let note = world.folder.path().join("note");
    let newest = world.log.newest_checkpoint().await.unwrap().unwrap();
    fs::write(&note, newest.note).unwrap();
    let given = ["--checkpoint", note.to_str().unwrap()];
    world
        .verify_file(&lines, &given)
        .await
        .is(0, "the seal is of the given checkpoint");
    world.stop().await;
}

#[tokio::test]
async fn whatever_is_done_to_a_file_is_found() {
    let (world, [org, other]) = World::filled(6, false).await;
    let (events, lines) = exported(&world, org).await;
    let (_, foreign) = exported(&world, other).await;
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        changed
    };
    let rewrite = |lines: &mut Vec<String>| {
        lines[5] = rewritten(&events[5]).to_cloud_event();
    };
    let behind = |lines: &mut Vec<String>| {
        let mut more = events[5].clone();
        more.position = more.position.plus(9);
        more.version = StreamVersion::new(7);
        more.prev_hash = more.hash;
        more.recorded_at = now();
        more.hash = more.computed_hash();
        lines.insert(6, more.to_cloud_event());
    };
    let cases: [(&str, Change); 14] = [
        (
            "position 7: its hash is not that of its content: it was changed (line 4)",
            &|lines| {
                lines[3] = lines[3].replace("Spring", "Sprang");
            },
        ),
        ("position 9: it is version 5 of the decisions", &|lines| {
            lines.remove(3);
        }),
        (
            "position 9: it is version 5 of the decisions of",
            &|lines| lines.swap(3, 4),
        ),
        (
            "decisions end with version 5, sealed were 6: version 6 is missing",
            &|lines| {
                lines.remove(5);
            },
        ),
        ("decisions end with version 0, sealed were 6", &|lines| {
            lines.drain(..6);
        }),
        (
            "decisions end with version 6, which is not the one that was sealed",
            &rewrite,
        ),
        ("position 20: it is not under the seal", &behind),
        (
            "the seal cannot be believed: the signature of trackagoat is wrong",
            &|lines| {
                lines[6] = lines[6].replace("decisions 6", "decisions 5");
            },
        ),
        (
            "position 7: it is not written as an export writes it: its text was changed (line 4)",
            &|lines| lines[3].insert_str(1, "\"note\":\"approved\","),
        ),
        (
            "line 7, behind position 11: it is not written as an export writes the line of a seal",
            &|lines| lines[6] = lines[6].replacen('{', "{ ", 1),
        ),
        ("the seal is of another org", &|lines| {
            lines[6].clone_from(&foreign[6]);
        }),
        ("it is of another org than the events before it", &|lines| {
            lines.insert(6, foreign[5].clone());
        }),
        ("it stands behind the seal", &|lines| {
            lines.push(foreign[5].clone());
        }),
        (
            "line 3, behind position 2: it is no event of this service",
            &|lines| {
                lines[2].truncate(40);
            },
        ),
    ];
    for (found, change) in cases {
        let said = world.verify_file(&changed(change), &[]).await;
        said.is(1, "WRONG");
        assert!(said.text.contains(found), "no `{found}` in {}", said.text);
    }
    world.stop().await;
}

#[tokio::test]
async fn what_a_file_cannot_show_is_said() {
    let (world, [org, _]) = World::filled(6, false).await;
    let (events, lines) = exported(&world, org).await;
    let unsealed = &lines[..6];
    world
        .verify_file(unsealed, &[])
        .await
        .is(3, "nothing is missing at the end: the file has no seal");
    world.verify_file(unsealed, &[]).await.is(
        3,
        "that the log ever had these events: no signature is over them",
    );
    let later = &lines[2..];
    let later = world.verify_file(later, &[]).await;
    later.is(
        3,
        "anything of decisions before version 3: 2 are not in the file",
    );
    later.is(3, "sealed as of");
    let filtered: Vec<_> = [0, 3, 5, 6].map(|n| lines[n].clone()).into();
    world
        .verify_file(&filtered, &[])
        .await
        .is(1, "version 2 is missing");
    let partial = world.verify_file(&filtered, &["--partial"]).await;
    partial.is(3, "only what a filter leaves out is missing: 3 events");
    partial.is(
        3,
        "that the log ever had 2 of these events: no signature is over them",
    );
    assert!(!partial.text.contains("sealed as of"), "{}", partial.text);
    // Up to the end nothing is left out.
    let end: Vec<_> = lines[3..].to_vec();
    let end = world.verify_file(&end, &["--partial"]).await;
    end.is(3, "sealed as of");
    // Of events that were made up nothing is sealed.
    let mut invented = events[2].clone();
    invented.data = invented.data.replace("Acme & Sons", "Somebody").into();
    invented.hash = invented.computed_hash();
    let invented = [invented.to_cloud_event(), lines[6].clone()];
    let invented = world.verify_file(&invented, &["--partial"]).await;
    invented.is(3, "that the log ever had 1 of these events");
    assert!(!invented.text.contains("sealed as of"), "{}", invented.text);
    // Somebody else's key.
    let mut stranger = key().verifier().to_string();
    stranger = stranger.replace("trackagoat", "other");
    let path = world.folder.path().join("export.ndjson");
    let path = path.to_str().unwrap();
    said(verify(&["--file", path, "--public-key", &stranger]))
        .await
        .is(2, "public key");
    world.stop().await;
}
