//! Batches of events into rows.
//!
//! A batch is folded in memory first and then written with few statements, so a rebuild costs
//! little more than writing its rows. What an event makes of an org, key, project, creator or
//! video is not decided here: the things a batch touches are loaded into a fragment of the org's
//! [`OrgState`](domain::org::OrgState), and [`domain::org::evolve`] folds it.
//!
//! Roll-ups depend only on what holds before and after the batch: see `rollup`. Those of campaigns
//! follow what campaigns hold later, in transactions of their own: see `roll`.

mod annotations;
mod audit;
mod campaigns;
mod changes;
mod decisions;
mod details;
mod figures;
mod follows;
mod goals;
pub(crate) mod keyring;
mod people;
mod places;
mod profiles;
mod reach;
mod roll;
mod rollup;
pub(crate) mod slots;
mod store;
mod touched;
mod video_readings;
mod webhooks;

use domain::event::{Event, Reading, RecordedEvent};
use domain::time::Timestamp;
use sqlx::PgConnection;
use thiserror::Error;
use uuid::Uuid;

pub use self::audit::{Indexed, index_in_tx};
use self::changes::SlotChanges;
use self::decisions::Decisions;
use self::details::Details;
use self::keyring::SubjectKeyring;
use self::places::Places;
use self::profiles::Profiles;
use self::reach::Reach;
pub use self::roll::roll_in_tx;
use self::touched::Touched;
use self::video_readings::VideoReadings;
use crate::error::CorruptRow;

/// Why a batch was not applied; nothing of it was, once the transaction is rolled back.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A stored value cannot be read.
    #[error(transparent)]
    Corrupt(#[from] CorruptRow),
    /// The database refused a statement, or did not answer.
    #[error("the read model's database did not take a batch")]
    Database(#[from] sqlx::Error),
}

/// What a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Events of any kind.
    pub events: u64,
    /// Readings of videos' counts.
    pub readings: u64,
    /// Of these, readings not newer than the newest stored of their video, which cost more.
    pub late: u64,
    /// Quarter hours of roll-ups that changed.
    pub slots: u64,
    /// Whether the roll-ups of all campaigns are those of what the campaigns hold now.
    pub is_rolled: bool,
}

/// Applies events, which must come in the log's order and each once, within the caller's
/// transaction. The connection's plain table names must mean those of the projection's version.
pub async fn apply_in_tx(
    connection: &mut PgConnection,
    events: &[RecordedEvent],
    keys: &SubjectKeyring,
) -> Result<Applied, ApplyError> {
    let touched = Touched::of(events);
    let mut decisions = Decisions::load(connection, &touched).await?;
    decisions.fold(events);
    let mut details = Details::load(connection, &touched).await?;
    details.fold(events);
    let places = Places::load(connection, &touched, &decisions).await?;
    let reach = Reach::load(connection, &places, &decisions).await?;
    let (of_videos, of_creators) = observed(events);
    let mut readings = VideoReadings::load(connection, &touched, &of_videos).await?;
    let mut profiles = Profiles::load(connection, &touched, &of_creators).await?;

    let mut changes = SlotChanges::default();
    rollup::fold_readings(
        events,
        &places,
        &reach,
        &mut readings,
        &mut profiles,
        keys,
        &mut changes,
    );
    rollup::move_posts(&places, &reach, &details, &mut changes);
    rollup::move_videos(connection, &places, &reach, &mut changes).await?;
    reach.follows.move_stored(connection, &mut changes).await?;
    rollup::carry_to_projects(connection, &places, &mut changes).await?;

    decisions.store(connection, keys).await?;
    reach.store(connection).await?;
    details.store(connection).await?;
    profiles.store(connection).await?;
    let mut applied = Applied {
        events: events.len() as u64,
        readings: readings.count(),
        late: readings.late(),
        slots: 0,
        is_rolled: true,
    };
    readings.store(connection).await?;
    applied.slots = slots::store(connection, changes).await?;
    applied.is_rolled = roll::is_rolled(connection).await?;
    Ok(applied)
}

type Observed = Vec<(Uuid, Timestamp)>;

/// Of whom and when counts were read, in the order of the log: of videos, of creators.
fn observed(events: &[RecordedEvent]) -> (Observed, Observed) {
    let (mut videos, mut creators) = (Vec::new(), Vec::new());
    for recorded in events {
        let Event::ObservationRecorded(observation) = &recorded.event else {
            continue;
        };
        for reading in &observation.readings {
            let observed = (reading.subject(), reading.observed_at());
            match reading {
                Reading::VideoStats(_) => videos.push(observed),
                Reading::CreatorProfile(_) => creators.push(observed),
                Reading::Video(_) | Reading::Comment(_) => {}
            }
        }
    }
    (videos, creators)
}
