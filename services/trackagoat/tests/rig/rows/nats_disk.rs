//! Row 29: what becomes of what NATS stores. It syncs every two minutes, so a power failure takes
//! what it has acknowledged; whoever edits its files takes more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use event_log::{STREAM_NAME, StoredEvent};
use runtime::entropy::Entropy;
use testkit::eventually;

use super::messages::{nats_client, shown_as_revoked};
use super::primary::ALL;
use super::{done, lasts};
use crate::aside::Aside;
use crate::limits::{CALM_WITHIN, LOG_PAGE};
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
    for damage in [truncate, flip] as [Damage; 2] {
        // After a stop in order NATS trusts what it noted of its files, and does not read them.
        for in_order in [false, true] {
            let watch = aside.round().await;
            spoil(&mut aside, damage, in_order).await;
            done(watch.revoke()).await;
            is_rebuilt(&mut aside, watch).await;
        }
    }
    aside.finish(rig).await;
}

/// Damages the newest block, so that the stream is not the log any more; nobody may mend that before
/// it was seen.
async fn spoil(aside: &mut Aside, damage: Damage, in_order: bool) {
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
    let difference = difference(aside).await;
    aside.found.expect(difference.is_err(), || {
        "the stream is as it was, so nothing is proven".to_owned()
    });
    let difference = difference.err().unwrap_or_default();
    aside.found.note(format!("damage done: {difference}"));
    for name in COMMANDS {
        aside.service(name).go_on();
    }
}

/// S1, and S4: readers show what was revoked, and the stream holds the log.
async fn is_rebuilt(aside: &mut Aside, watch: Watch) {
    let revoked: Vec<_> = watch.victims().iter().map(|key| key.id).collect();
    aside.end(watch, &[]).await;
    for name in ALL {
        for key in &revoked {
            shown_as_revoked(aside, name, *key).await;
        }
    }
    mirror_is_the_log(aside).await;
    aside.mend().await;
}

/// Waits until the stream holds the log, event by event.
pub async fn mirror_is_the_log(rig: &Rig) {
    eventually(CALM_WITHIN, "the stream holds the log", async || {
        difference(rig).await
    })
    .await;
}

/// The first difference between the stream and the log.
async fn difference(rig: &Rig) -> Result<(), String> {
    let jetstream = async_nats::jetstream::new(nats_client(rig).await);
    let events = whole(rig).await?;
    let stream = jetstream.get_stream(STREAM_NAME).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let last = stream.cached_info().state.last_sequence;
    if last != events.len() as u64 {
        return Err(format!("it ends at {last}, the log at {}", events.len()));
    }
    for event in events {
        let position = event.position.get();
        let message = stream.get_raw_message(position).await;
        let message = message.map_err(|error| format!("at {position}: {error}"))?;
        if message.payload != event.to_cloud_event() {
            return Err(format!("it holds something else at {position}"));
        }
    }
    Ok(())
}

async fn whole(rig: &Rig) -> Result<Vec<StoredEvent>, String> {
    let log = rig.log();
    let mut events: Vec<StoredEvent> = Vec::new();
    loop {
        let after = events.last().map(|last| last.position).unwrap_or_default();
        let page = log.read(after, LOG_PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
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
