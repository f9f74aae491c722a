//! Keys of the personal data in events. They stand in the log's database; a destroyed one leaves
//! null where the data was.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::event::{Event, Reading, RecordedEvent};
use domain::ids::OrgId;
use domain::sealed::{Sealed, SubjectKey};
use event_log::EventLog;
use uuid::Uuid;

/// The keys of the subjects that a batch names.
#[derive(Debug, Default)]
pub struct SubjectKeyring(HashMap<(OrgId, Uuid), SubjectKey>);

impl SubjectKeyring {
    /// Loads what these events need.
    pub async fn load(
        log: &EventLog,
        events: &[RecordedEvent],
    ) -> Result<Self, event_log::ReadError> {
        let mut wanted: BTreeMap<OrgId, Vec<Uuid>> = BTreeMap::new();
        for (org, subject) in subjects(events) {
            wanted.entry(org).or_default().push(subject);
        }
        let mut keys = HashMap::new();
        for (org, subjects) in wanted {
            let found = log.find_subject_keys(org, &subjects).await?;
            keys.extend(
                found
                    .into_iter()
                    .map(|(subject, key)| ((org, subject), key)),
            );
        }
        Ok(Self(keys))
    }

    /// Opens a sealed text; `None` if the key was destroyed, or does not fit.
    pub(super) fn open(
        &self,
        org: OrgId,
        subject: Uuid,
        field: &'static str,
        sealed: &Sealed,
    ) -> Option<String> {
        let opened = self.0.get(&(org, subject))?.open(field, sealed);
        if opened.is_err() {
            tracing::warn!(%subject, field, "a sealed text does not open with its subject's key");
        }
        opened.ok()
    }
}

impl FromIterator<(OrgId, Uuid, SubjectKey)> for SubjectKeyring {
    fn from_iter<I: IntoIterator<Item = (OrgId, Uuid, SubjectKey)>>(keys: I) -> Self {
        let entries = keys
            .into_iter()
            .map(|(org, subject, key)| ((org, subject), key));
        Self(entries.collect())
    }
}

/// Whom these events may hold personal data of. A change of a creator names them even without:
/// their row is written anew, with a name that an earlier event sealed.
fn subjects(events: &[RecordedEvent]) -> BTreeSet<(OrgId, Uuid)> {
    let mut subjects = BTreeSet::new();
    for recorded in events {
        let creator = match &recorded.event {
            Event::CreatorAdded(event) if event.display_name.is_none() => None,
            Event::CreatorAdded(event) => Some(event.creator_id),
            Event::CreatorChanged(event) => Some(event.creator_id),
            Event::CreatorRenamed(event) => Some(event.creator_id),
            Event::CreatorReactivated(event) => Some(event.creator_id),
            Event::CreatorRemoved(event) => Some(event.creator_id),
            Event::CreatorAutoDisabled(event) => Some(event.creator_id),
            Event::CreatorReenabled(event) => Some(event.creator_id),
            Event::ObservationRecorded(observation) => {
                let profiles = observation
                    .readings
                    .iter()
                    .filter_map(|reading| match reading {
                        Reading::CreatorProfile(profile)
                            if profile.display_name.is_some() || profile.avatar_url.is_some() =>
                        {
                            Some((recorded.org_id, profile.creator_id.as_uuid()))
                        }
                        _ => None,
                    });
                subjects.extend(profiles);
                None
            }
            _ => None,
        };
        subjects.extend(creator.map(|id| (recorded.org_id, id.as_uuid())));
    }
    subjects
}
