//! Row 29: what becomes of what NATS stores. It syncs every two minutes, so a power failure takes
//! what it has acknowledged; whoever edits its files takes more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use async_nats::jetstream::stream::RawMessageErrorKind;
use event_log::STREAM_NAME;
use runtime::entropy::Entropy;
use testkit::eventually;

use super::messages::{nats_client, shown_as_revoked};
use super::{REPLICAS, done, lasts};
use crate::aside::Aside;
use crate::judge::whole;
use crate::limits::{CALM_WITHIN, SOON};
use crate::rig::Rig;
use crate::watch::Watch;

/// Power failures.
const CUTS: usize = 4;
const COMMANDS: [&str; 2] = ["c1", "c2"];
/// How long after revocations have begun some of them come.
const CUT_AFTER: std::time::Duration = std::time::Duration::from_millis(15);

/// What somebody does to a block of the stream.
type Damage = fn(&File) -> io::Result<()>;

/// Row 29.
pub async fn ruined(rig: &mut Rig) {
    let mut aside = Aside::under_nats(rig).await;
    let mut lost = 0;
    for cut in 0..CUTS {
        let watch = aside.round().await;
        let revoking = watch.revoke();
        lasts(CUT_AFTER).await;
        let chance = Entropy::os();
        let chance = (!cut.is_multiple_of(2)).then_some(&chance);
        lost += aside.cut_nats(chance).await.pages;
        done(revoking).await;
        is_rebuilt(&mut aside, watch).await;
    }
    aside
        .found
        .note(format!("power failures took {lost} pages of NATS"));
    aside.found.expect(lost > 0, || {
        "NATS lost nothing, so nothing is proven".to_owned()
    });
    let damages: [(&str, Damage); 2] = [("truncated", truncate), ("flipped", flip)];
    for damage in damages {
        // After a stop in order NATS trusts what it noted of its files, and does not read them.
        for in_order in [false, true] {
            let watch = aside.round().await;
            spoil(&mut aside, damage, in_order).await;
            done(watch.revoke()).await;
            is_rebuilt(&mut aside, watch).await;
        }
    }
    // After a crash it does, and finds what it had not noticed.
    let watch = aside.round().await;
    aside.nats.act(async |server| server.kill().await).await;
    aside.nats.act(async |server| server.start().await).await;
    done(watch.revoke()).await;
    let unreadable = is_rebuilt(&mut aside, watch).await;
    aside.found.expect(unreadable == 0, || {
        format!("{unreadable} messages cannot be read after a crash either")
    });
    aside.finish(rig).await;
}

/// Damages the newest block, so that the stream is not the log any more; nobody may mend that before
/// it was seen.
async fn spoil(aside: &mut Aside, (what, damage): (&str, Damage), in_order: bool) {
    for name in COMMANDS {
        aside.service(name).stop();
    }
    if in_order {
        aside.nats.act(async |server| server.stop().await).await;
    } else {
        aside.nats.act(async |server| server.kill().await).await;
    }
    let block = newest_block(&aside.nats.get().store());
    let file = OpenOptions::new().read(true).write(true).open(block);
    file.and_then(|file| damage(&file)).expect("NATS is dead");
    aside.nats.act(async |server| server.start().await).await;
    let compared = eventually(SOON, "NATS tells what it has", async || {
        compare(aside).await
    })
    .await;
    let is_spoilt = compared.missing > 0 || !compared.unreadable.is_empty();
    aside.found.expect(is_spoilt, || {
        "the stream is as it was, so nothing is proven".to_owned()
    });
    aside.found.note(format!(
        "a {what} block after {}: {} messages gone, {} that cannot be read",
        if in_order { "a stop" } else { "a crash" },
        compared.missing,
        compared.unreadable.len()
    ));
    for name in COMMANDS {
        aside.service(name).go_on();
    }
}

/// S1, and S4: readers show what was revoked, and the stream holds the log, but for so many messages
/// that NATS says to have and cannot read.
async fn is_rebuilt(aside: &mut Aside, watch: Watch) -> usize {
    let revoked: Vec<_> = watch.victims().iter().map(|key| key.id).collect();
    aside.end(watch, &[]).await;
    for name in REPLICAS {
        for key in &revoked {
            shown_as_revoked(aside, name, *key).await;
        }
    }
    let unreadable = mirror_is_the_log(aside).await;
    if unreadable > 0 {
        aside.found.note(format!(
            "{unreadable} messages stay unread: NATS says that it has them"
        ));
    }
    aside.mend().await;
    unreadable
}

/// Waits until the stream says that it holds all of the log, and everything that it holds is the
/// log's. Gives how much it says to have and cannot read, which readers find in Postgres.
pub async fn mirror_is_the_log(rig: &Rig) -> usize {
    let compared = eventually(CALM_WITHIN, "the stream holds the log", async || {
        let compared = compare(rig).await?;
        if compared.missing == 0 && compared.other.is_empty() {
            Ok(compared)
        } else {
            Err(format!("{compared:?}"))
        }
    });
    compared.await.unreadable.len()
}

/// How the stream differs from the log.
#[derive(Debug)]
struct Compared {
    /// How many messages fewer than the log's events it says that it has.
    missing: u64,
    /// Positions of what it cannot give.
    unreadable: Vec<u64>,
    /// Positions where it gives something else.
    other: Vec<u64>,
}

async fn compare(rig: &Rig) -> Result<Compared, String> {
    let jetstream = async_nats::jetstream::new(nats_client(rig).await);
    let events = whole(&rig.log()).await;
    let events = events.map_err(|error| error.to_string())?;
    let stream = jetstream.get_stream(STREAM_NAME).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let mut compared = Compared {
        missing: (events.len() as u64).abs_diff(stream.cached_info().state.messages),
        unreadable: Vec::new(),
        other: Vec::new(),
    };
    for event in events {
        let position = event.position.get();
        match stream.get_raw_message(position).await {
            Ok(message) if message.payload == event.to_cloud_event() => {}
            Ok(_) => compared.other.push(position),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                compared.unreadable.push(position);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(compared)
}

/// Half of it is gone.
fn truncate(block: &File) -> io::Result<()> {
    block.set_len(block.metadata()?.len() / 2)
}

/// One bit in its midst is another.
fn flip(block: &File) -> io::Result<()> {
    let middle = block.metadata()?.len() / 2;
    let mut byte = [0];
    block.read_exact_at(&mut byte, middle)?;
    block.write_all_at(&[byte[0] ^ 0x10], middle)
}

/// The block that the stream was written to last.
fn newest_block(store: &Path) -> PathBuf {
    let streams = store.join("jetstream/TGA/streams");
    let folder = streams.join(STREAM_NAME).join("msgs");
    let entries = fs::read_dir(&folder).expect("the stream is stored there");
    let paths = entries.flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| -> Option<u64> {
        let is_block = path.extension().is_some_and(|extension| extension == "blk");
        path.file_stem()?
            .to_str()?
            .parse()
            .ok()
            .filter(|_| is_block)
    };
    let numbered = paths.filter_map(|path| Some((number(&path)?, path)));
    let newest = numbered.max_by_key(|(number, _)| *number);
    newest.expect("the stream has a block").1
}
