//! Files alone: one bit that is not as it was is found, and the first bad position named; and who reads
//! is told what is wrong with the folder.

use std::mem;
use std::time::Duration;

use event_log::archive::{BadEvent, Checker, Flaw, Volume, survey};
use futures_util::future::join_all;
use runtime::telemetry::chain;
use serde_json::{Value, json};

use super::*;

/// What is done to the lines of a file.
type Change<'a> = Box<dyn FnOnce(&mut Vec<String>) + 'a>;

/// Two partitions in files.
async fn archived() -> (World, Vec<StoredEvent>) {
    let world = World::new(2 * SIZE + 10).await;
    let whole = whole_log(world.log()).await;
    world.archive().await;
    (world, whole)
}

impl World {
    fn file(&self, partition: u64) -> PathBuf {
        let (first, last) = (partition * SIZE + 1, (partition + 1) * SIZE);
        self.path()
            .join(format!("events-{first}-{last}.ndjson.zst"))
    }

    fn manifest(&self, partition: u64) -> PathBuf {
        let (first, last) = (partition * SIZE + 1, (partition + 1) * SIZE);
        self.path().join(format!("events-{first}-{last}.json"))
    }
}

fn verify(path: &Path) -> Result<Checker, ArchiveError> {
    let volume = Volume::open(path)?;
    let mut checker = Checker::new(volume.before().clone());
    volume.verify(&mut checker, |_| {})?;
    Ok(checker)
}

fn bad(path: &Path) -> (u64, Flaw) {
    match verify(path).unwrap_err() {
        ArchiveError::Damaged {
            source: BadEvent { position, flaw },
            ..
        } => (position.get(), flaw),
        other => panic!("{}", chain(&other)),
    }
}

/// Writes other lines into a file of one frame, and a manifest that fits them as far as one can who
/// does not rewrite the tree.
fn rewrite(file: &Path, manifest: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let text = zstd::decode_all(fs::File::open(file).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let text = lines.concat();
    let packed = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
    fs::write(file, &packed).unwrap();
    let sum = sha256(&packed);
    let mut value: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    assert_eq!(value["frames"].as_array().unwrap().len(), 1);
    value["bytes"] = json!(packed.len());
    value["sha256"] = json!(sum);
    value["frames"][0]["bytes"] = json!(packed.len());
    value["frames"][0]["sha256"] = json!(sum);
    fs::write(manifest, serde_json::to_vec(&value).unwrap()).unwrap();
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    runtime::files::hex(&Sha256::digest(bytes))
}

/// A line of an event that was altered, and whose hash was computed anew.
fn forged(event: &StoredEvent) -> String {
    let mut forged = event.clone();
    forged.correlation_id = "forged".into();
    forged.hash = forged.computed_hash();
    forged.to_cloud_event()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_sound_alone_and_in_sequence() {
    let (world, whole) = archived().await;
    for partition in [0, 1] {
        verify(&world.file(partition)).unwrap();
    }
    let mut checker = verify(&world.file(0)).unwrap();
    let second = Volume::open(&world.file(1)).unwrap();
    let mut read = Vec::new();
    second
        .verify(&mut checker, |event| read.push(event.clone()))
        .unwrap();
    let from = usize::try_from(SIZE).unwrap();
    assert_eq!(read, whole[from..2 * from]);
    let root = {
        let mut tree = domain::merkle::CompactRange::default();
        for event in &whole[..2 * from] {
            tree.push(domain::merkle::NodeHash::of_leaf(&event.hash));
        }
        tree.root()
    };
    assert_eq!(second.manifest().after.root.0, root);
    // Ordinary tools read them too, and find the public form and one member more.
    let text = zstd::decode_all(fs::File::open(world.file(0)).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    for (line, event) in text.lines().zip(&whole) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let members = line.as_object_mut().unwrap();
        let former = members.remove("authprev");
        assert_eq!(
            former,
            event.auth_prev.map(|former| json!(former.to_string()))
        );
        let public: Value = serde_json::from_str(&event.to_cloud_event()).unwrap();
        assert_eq!(line, public);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_is_found_wherever_it_stands() {
    let (world, _) = archived().await;
    let (file, manifest) = (world.file(0), world.manifest(0));
    let sound = fs::read(&file).unwrap();
    for index in (0..sound.len()).step_by(sound.len() / 97) {
        let mut flipped = sound.clone();
        flipped[index] ^= 0x10;
        fs::write(&file, flipped).unwrap();
        let (position, _) = bad(&file);
        assert!((1..=SIZE).contains(&position), "{index}: {position}");
    }
    for length in [0, 1, sound.len() / 2, sound.len() - 1] {
        fs::write(&file, &sound[..length]).unwrap();
        let (position, _) = bad(&file);
        assert!((1..=SIZE).contains(&position), "{length}: {position}");
    }
    fs::write(&file, [&sound[..], b"more"].concat()).unwrap();
    assert_eq!(bad(&file), (SIZE + 1, Flaw::Extra));
    fs::write(&file, &sound).unwrap();
    verify(&file).unwrap();
    let text = fs::read(&manifest).unwrap();
    for index in (0..text.len()).step_by(text.len() / 53) {
        let mut flipped = text.clone();
        flipped[index] ^= 0x01;
        fs::write(&manifest, flipped).unwrap();
        let read = world.with_folder().read(GlobalPosition::ZERO, 300).await;
        let error = read.unwrap_err();
        assert!(
            matches!(error, ReadError::Archive { .. }),
            "{index}: {error}"
        );
    }
}

/// What a line says is found, with its position, though frame and manifest were made to fit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_bad_position_is_named() {
    let (world, whole) = archived().await;
    let (file, manifest) = (world.file(0), world.manifest(0));
    let sound = (fs::read(&file).unwrap(), fs::read(&manifest).unwrap());
    let auth = whole
        .iter()
        .rposition(|event| event.is_auth() && event.position.get() < SIZE);
    let auth = auth.unwrap();
    let former = whole[auth].auth_prev.unwrap();
    // An event with a later one in its stream, and one without.
    let from = usize::try_from(SIZE).unwrap();
    let (early, last) = (&whole[100], &whole[from - 1]);
    let next_in_stream = whole[101..]
        .iter()
        .find(|event| event.org_id == early.org_id && event.stream == early.stream);
    let next_in_stream = next_in_stream.unwrap().position.get();
    let changes: Vec<(&str, (u64, Flaw), Change<'_>)> = vec![
        (
            "altered",
            (51, Flaw::Hash),
            Box::new(|lines| {
                let (sent, other) = ("correlationid\":\"test", "correlationid\":\"tesu");
                lines[50] = lines[50].replacen(sent, other, 1);
            }),
        ),
        (
            "removed",
            (51, Flaw::Missing),
            Box::new(|lines| drop(lines.remove(50))),
        ),
        (
            "the last removed",
            (SIZE, Flaw::Missing),
            Box::new(|lines| drop(lines.pop())),
        ),
        (
            "swapped",
            (51, Flaw::Missing),
            Box::new(|lines| lines.swap(50, 51)),
        ),
        (
            "repeated",
            (52, Flaw::Missing),
            Box::new(|lines| lines.insert(50, lines[50].clone())),
        ),
        (
            "one too many",
            (SIZE + 1, Flaw::Extra),
            Box::new(|lines| lines.push(whole[from].to_cloud_event() + "\n")),
        ),
        (
            "spaced",
            (51, Flaw::Form),
            Box::new(|lines| lines[50] = lines[50].replacen("\",\"", "\", \"", 1)),
        ),
        (
            "torn",
            (51, Flaw::Unreadable),
            Box::new(|lines| lines[50].truncate(20)),
        ),
        (
            "names another auth event",
            (auth as u64 + 1, Flaw::Auth),
            Box::new(|lines| {
                let named = format!("\"authprev\":\"{former}\"");
                lines[auth] = lines[auth].replacen(&named, "\"authprev\":\"0\"", 1);
            }),
        ),
        (
            "forged",
            (next_in_stream, Flaw::Stream),
            Box::new(|lines| {
                let line = forged(early);
                lines[100] = line + "\n";
            }),
        ),
        (
            "forged at the end",
            (SIZE, Flaw::Tree),
            Box::new(|lines| {
                let line = forged(last);
                lines[from - 1] = line + "\n";
            }),
        ),
    ];
    for (what, wanted, change) in changes {
        rewrite(&file, &manifest, |lines| {
            for line in &mut *lines {
                line.push('\n');
            }
            change(lines);
        });
        assert_eq!(bad(&file), wanted, "{what}");
        fs::write(&file, &sound.0).unwrap();
        fs::write(&manifest, &sound.1).unwrap();
        verify(&file).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_says_what_is_wrong_with_the_folder() {
    let (world, whole) = archived().await;
    let (file, manifest) = (world.file(1), world.manifest(1));
    let sound = (fs::read(&file).unwrap(), fs::read(&manifest).unwrap());
    let read = async || {
        let reader = world.with_folder();
        let first = reader.read(GlobalPosition::ZERO, 300).await.unwrap();
        assert_eq!(first, whole[..300], "the other file is there");
        match reader.read(position(SIZE), 10).await {
            Ok(events) => Ok(events),
            Err(error) => {
                assert!(
                    matches!(&error, ReadError::Archive { position, .. } if position.get() == SIZE + 1)
                );
                Err(chain(&error).to_string())
            }
        }
    };
    let from = usize::try_from(SIZE).unwrap();
    assert_eq!(read().await.unwrap(), whole[from..from + 10]);

    let wrong = async || {
        let mut connection = world.db.pool().acquire().await.unwrap();
        let found = survey(&mut connection, Some(&world.path())).await.unwrap();
        assert_eq!((found.files, found.upto.get()), (2, 2 * SIZE));
        found.wrong.len()
    };
    assert_eq!(wrong().await, 0);
    fs::write(&file, &sound.0[..sound.0.len() - 1]).unwrap();
    assert_eq!(wrong().await, 1);
    fs::write(&file, &sound.0).unwrap();

    fs::remove_file(&manifest).unwrap();
    assert_eq!(wrong().await, 1);
    let error = read().await.unwrap_err();
    assert!(
        error.contains("cannot be used") && error.contains("No such file"),
        "{error}"
    );
    fs::write(&manifest, &sound.1).unwrap();

    fs::remove_file(&file).unwrap();
    let error = read().await.unwrap_err();
    assert!(error.contains("No such file"), "{error}");

    let mut flipped = sound.0.clone();
    flipped[sound.0.len() / 2] ^= 1;
    fs::write(&file, flipped).unwrap();
    let error = read().await.unwrap_err();
    assert!(
        error.contains("is damaged") && error.contains("position 301"),
        "{error}"
    );

    // Sound by itself, and not what was archived.
    fs::write(&file, &sound.0).unwrap();
    rewrite(&file, &manifest, |lines| {
        for line in lines {
            line.push('\n');
        }
    });
    verify(&file).unwrap();
    let error = read().await.unwrap_err();
    assert!(error.contains("is not the one that was written"), "{error}");
    fs::write(&file, &sound.0).unwrap();
    fs::write(&manifest, &sound.1).unwrap();
    assert_eq!(read().await.unwrap(), whole[from..from + 10]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_hangs_keeps_nobody_for_ever() {
    let (world, whole) = archived().await;
    let manifest = world.manifest(0);
    let sound = fs::read(&manifest).unwrap();
    let hanging = hang(&manifest);
    let (clock, time) = Clock::manual(Clock::system().now());
    let config = event_log::Config::default();
    let (reader, _) = EventLog::new(world.db.pool().clone(), clock, Entropy::os(), config);
    let reader = reader.with_archive(Some(world.path()));
    let read = async || reader.read(GlobalPosition::ZERO, 10).await;
    let mut reads = Box::pin(join_all([read(), read()]));
    // Neither asks the database, for whose answers time goes on as well, if none of its connections is
    // lent, and none was when they last went on.
    let pool = world.db.pool();
    let mut was_idle = false;
    let wait = testkit::eventually(SOON, "one to hang, one to wait for its turn", async || {
        let is_idle = u32::try_from(pool.num_idle()).unwrap() == pool.size();
        let was_idle = mem::replace(&mut was_idle, is_idle);
        hanging.is_finished() && was_idle && is_idle
    });
    tokio::select! {
        biased;
        reads = &mut reads => panic!("{reads:?}"),
        () = wait => {}
    }
    time.advance(Duration::from_mins(1));
    for read in reads.await {
        let error = read.unwrap_err();
        let ReadError::Archive { source, .. } = error else {
            panic!("{}", chain(&error));
        };
        assert!(matches!(*source, ArchiveError::Late(_)), "{source}");
    }
    drop(hanging.join());
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, sound).unwrap();
    let read = reader.read(GlobalPosition::ZERO, 10).await.unwrap();
    assert_eq!(read, whole[..10]);
}
