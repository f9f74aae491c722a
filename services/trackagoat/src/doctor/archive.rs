//! Whether old events can be read that are archived.

use event_log::ReadError;
use event_log::archive::survey;
use runtime::telemetry::chain;
use sqlx::PgConnection;

use super::finding::Finding;
use crate::operator::Place;

/// Looks for the files of everything that was archived.
pub async fn look(connection: &mut PgConnection, place: &Place) -> Result<Finding, ReadError> {
    const WHAT: &str = "log archive";
    let folder = place.archive.archive_dir.as_deref();
    let found = survey(connection, folder).await?;
    let upto = found.upto;
    if found.files == 0 {
        return Ok(Finding::fine(WHAT, "nothing is archived"));
    }
    let Some(folder) = folder else {
        let says = format_args!("events up to {upto} are archived, and no folder is named");
        return Ok(Finding::warning(WHAT, says)
            .mend("set TGA_ARCHIVE_DIR: a new version of the projection is built from there"));
    };
    let (files, folder) = (found.files, folder.display());
    Ok(match found.wrong.first() {
        None => {
            let says = format_args!("{files} files in {folder}, up to position {upto}");
            Finding::fine(WHAT, says)
        }
        Some(first) => {
            let wrong = found.wrong.len();
            let says = format_args!("{wrong} of {files} files are wrong: {}", chain(first));
            Finding::broken(WHAT, says).mend("bring them back from a copy of the folder")
        }
    })
}
