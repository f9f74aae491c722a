//! Fields that several calls on creators read alike.

use api::input::body::{Fields, Patch};
use api::input::issue::Invalid;
use api::input::node::Node;
use chrono::NaiveDate;
use domain::event::TrackingMode;
use domain::ids::CreatorId;
use domain::limits::{BULK_ID_ITEMS, DISPLAY_NAME_CHARS};
use domain::text::{Line, Metadata, Readme};

/// What adding and changing a creator have in common.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) tracking_mode: Option<TrackingMode>,
    pub(super) tracking_start_date: Option<Option<NaiveDate>>,
    pub(super) display_name: Option<Option<String>>,
    pub(super) readme: Option<Option<Readme>>,
    pub(super) metadata: Option<Metadata>,
}

impl Settings {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid> {
        let tracking_mode = fields.optional("tracking_mode", |it| {
            it.one_of(&TrackingMode::ALL, TrackingMode::name)
        });
        let tracking_start_date = fields.patch("tracking_start_date", Node::date);
        let display_name = fields.patch("display_name", display_name);
        let readme = fields.notes();
        let metadata = fields.metadata();
        Ok(Self {
            tracking_mode: tracking_mode?,
            tracking_start_date: tracking_start_date.map(Patch::into_change)?,
            display_name: display_name.map(Patch::into_change)?,
            readme: readme.map(Patch::into_change)?,
            metadata: metadata?,
        })
    }
}

fn display_name(node: Node<'_>) -> Result<String, Invalid> {
    let name = node.parse(Line::<DISPLAY_NAME_CHARS>::parse)?;
    Ok(name.as_str().to_owned())
}

/// `creator_ids`.
pub(super) fn creator_ids(fields: &mut Fields<'_>) -> Result<Vec<CreatorId>, Invalid> {
    fields.required("creator_ids", |it| {
        it.list(1..=BULK_ID_ITEMS, Node::from_str::<CreatorId>)
    })
}
