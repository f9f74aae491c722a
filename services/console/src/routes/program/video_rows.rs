//! Videos in a table, wherever they are listed.

use std::collections::HashMap;

use api::limits::PAGE_MAX;
use api::v1::{Creator, Timestamp, Video};
use uuid::Uuid;

use super::names;
use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Reads of creators, each of as many as a page may have: names of others are not looked up.
const READS: u16 = 4;

/// A video in a row.
pub struct VideoRow {
    pub id: String,
    pub title: String,
    pub platform: &'static str,
    /// Id and name, if it was not added by its address.
    pub creator: Option<(String, String)>,
    pub status: &'static str,
    pub is_paused: bool,
    pub posted_at: Option<Timestamp>,
    pub views: String,
    pub likes: String,
    pub comments: String,
}

impl VideoRow {
    /// With the creator's name, if it is known.
    pub fn new(video: &Video, creators: &HashMap<Uuid, String>) -> Self {
        let creator = video.creator_id.map(|id| {
            let name = creators.get(&id.as_uuid()).cloned();
            (id.to_string(), name.unwrap_or_else(|| "creator".to_owned()))
        });
        Self {
            id: video.id.to_string(),
            title: names::video(video),
            platform: names::platform(video.platform),
            creator,
            status: video.tracking_status.name(),
            is_paused: !video.tracking_enabled,
            posted_at: video.posted_at,
            views: names::count(video.view_count),
            likes: names::count(video.like_count),
            comments: names::count(video.comment_count),
        }
    }
}

/// Id and name of the creator whose videos alone are asked for, if one is named.
pub async fn creator_of(visit: &Visit, id: &str) -> Result<Option<(Uuid, String)>, Problem> {
    if id.is_empty() {
        return Ok(None);
    }
    let creator = visit.get::<Creator>(Path::v1(&["creators", id])).await?;
    let creator = creator.data;
    Ok(Some((creator.id.as_uuid(), names::creator(&creator))))
}

/// Names of the creators of these videos, by id.
pub async fn creators_of(
    visit: &Visit,
    project: Uuid,
    videos: &[Video],
) -> Result<HashMap<Uuid, String>, Problem> {
    let wanted = videos.iter();
    let wanted = wanted.filter_map(|video| Some(video.creator_id?.as_uuid()));
    let wanted: Vec<_> = wanted.collect();
    let mut found = HashMap::new();
    let mut cursor = None;
    for _ in 0..READS {
        if wanted.iter().all(|id| found.contains_key(id)) {
            break;
        }
        let path = Path::v1(&["creators"])
            .with("project_id", project)
            .with("limit", PAGE_MAX)
            .with_some("cursor", cursor);
        let page = visit.get::<Vec<Creator>>(path).await?;
        let creators = page.data.iter();
        found.extend(creators.map(|creator| (creator.id.as_uuid(), names::creator(creator))));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}
