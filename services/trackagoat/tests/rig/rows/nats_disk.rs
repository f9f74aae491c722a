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
    let damages: [Damage; 2] = [truncate, flip];
    for damage in damages {
        let watch = aside.round().await;
        let revoking = watch.revoke();
        aside.nats.act(async |server| server.kill().await).await;
        let block = newest_block(&aside.nats.get().store());
        let file = OpenOptions::new().read(true).write(true).open(block);
        file.and_then(|file| damage(&file)).expect("NATS is dead");
        aside.nats.act(async |server| server.start().await).await;
        done(revoking).await;
        is_rebuilt(&mut aside, watch).await;
    }
    aside.finish(rig).await;
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
    let jetstream = async_nats::jetstream::new(nats_client(rig).await);
    eventually(CALM_WITHIN, "the stream holds the log", async || {
        let told = |error: &dyn std::error::Error| error.to_string();
        let events = whole(rig).await?;
        let stream = jetstream
            .get_stream(STREAM_NAME)
            .await
            .map_err(|error| told(&error))?;
        let last = stream.cached_info().state.last_sequence;
        if last != events.len() as u64 {
            return Err(format!("{last} of {}", events.len()));
        }
        for event in events {
            let position = event.position.get();
            let message = stream
                .get_raw_message(position)
                .await
                .map_err(|error| format!("at {position}: {error}"))?;
            if message.payload != event.to_cloud_event() {
                return Err(format!("the stream holds something else at {position}"));
            }
        }
        Ok(())
    })
    .await;
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
