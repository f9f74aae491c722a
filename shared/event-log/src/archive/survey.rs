//! Whether a folder has all that was archived.

use std::path::Path;

use domain::ids::GlobalPosition;
use sqlx::PgConnection;

use super::check::Checker;
use super::error::ArchiveError;
use super::rows;
use super::volume::Volume;
use crate::error::ReadError;

/// What a folder has of everything that was archived.
#[derive(Debug)]
pub struct Survey {
    /// How many files there must be.
    pub files: usize,
    /// Events up to here stand in them; 0 if nothing was archived.
    pub upto: GlobalPosition,
    /// What is wrong with those that are missing, of another length, or of another log.
    pub wrong: Vec<ArchiveError>,
}

/// Looks for every file and its manifest; what stands inside a file is not looked at. Without a folder
/// nothing is wrong with it.
///
/// # Errors
/// If the database does not answer.
pub async fn survey(
    connection: &mut PgConnection,
    folder: Option<&Path>,
) -> Result<Survey, ReadError> {
    let archived = rows::all(connection).await?;
    let upto = archived
        .last()
        .map_or(GlobalPosition::ZERO, |last| last.upto);
    let look = |folder: &Path| {
        let opened = archived.iter().map(|one| {
            let volume = Volume::open_known(folder, one.stretch, one.manifest_sum)?;
            volume.check_length()
        });
        opened.filter_map(Result::err).collect()
    };
    Ok(Survey {
        files: archived.len(),
        upto,
        wrong: folder.map(look).unwrap_or_default(),
    })
}

/// Whether the file that ends at a position is sound and on the disk.
pub(super) async fn look_again(
    connection: &mut PgConnection,
    folder: &Path,
    last: GlobalPosition,
) -> Result<(), ArchiveError> {
    let Some(archived) = rows::holding(connection, last).await? else {
        return Ok(());
    };
    let path = folder.join(archived.stretch.file_name());
    let folder = folder.to_owned();
    let look = move || {
        let volume = Volume::open_known(&folder, archived.stretch, archived.manifest_sum)?;
        volume.sync()?;
        volume.verify(&mut Checker::new(volume.before().clone()), |_| {})
    };
    let looked = tokio::task::spawn_blocking(look).await?;
    looked.map_err(|source| ArchiveError::NotDropped {
        path,
        source: Box::new(source),
    })
}
