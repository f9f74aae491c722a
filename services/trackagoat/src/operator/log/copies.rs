//! Copies of what was signed, outside the database: in folders, and on the stream of checkpoints.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event_log::{CheckpointCopy, CheckpointFolder, FolderError, checkpoints_of_stream};
use runtime::clock::Clock;
use runtime::telemetry::chain;

use crate::nats;
use crate::operator::Place;

const NATS_WITHIN: Duration = Duration::from_secs(5);

/// Takes those in the folders that are named, and in the one of a running `dev`; returns which of those that
/// are named have none, or are not there. Blocks.
///
/// # Errors
/// If a file there cannot be read.
pub fn in_folders<'a>(
    place: &'a Place,
    named: &'a [PathBuf],
    mut take: impl FnMut(CheckpointCopy),
) -> Result<Vec<&'a Path>, FolderError> {
    let mut seen = HashSet::new();
    let mut empty = Vec::new();
    for (index, folder) in named.iter().chain(&place.checkpoint_dir).enumerate() {
        if !seen.insert(resolved(folder)) {
            continue;
        }
        let mut found = 0;
        CheckpointFolder::new(folder.clone()).read(|copy| {
            found += 1;
            take(copy);
        })?;
        if found == 0 && index < named.len() {
            empty.push(folder.as_path());
        }
    }
    Ok(empty)
}

/// One name for a folder that has several. One that is not there keeps its own.
pub fn resolved(folder: &Path) -> PathBuf {
    folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf())
}

/// Takes those on the stream, if NATS is named. The error says why not all of them could be had.
pub async fn on_stream(
    place: &Place,
    clock: &Clock,
    take: impl FnMut(CheckpointCopy),
) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| chain(error).to_string();
    let url = match &place.nats {
        Ok(Some(url)) => url,
        Ok(None) => return Ok(()),
        Err(error) => return Err(said(error)),
    };
    let connecting = clock.timeout(NATS_WITHIN, nats::connect(url)).await;
    let client = connecting.map_err(|late| said(&late))?;
    let client = client.map_err(|error| said(&error))?;
    let read = checkpoints_of_stream(client, clock, take).await;
    read.map_err(|error| said(&error))
}
