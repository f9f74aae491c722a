//! What lists have in common: where a page begins, and the answer.

use api::cursor::List;
use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::input::query::PageParams;
use domain::time::Timestamp;
use read_model::{Cursor, Listed, Page};
use serde::Serialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;

/// The parameters of every list, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here; api::input reads them")]
pub struct PageDoc {
    /// Most items of a page.
    #[param(minimum = 1, maximum = 100, default = 50, example = 50)]
    limit: Option<u16>,
    /// `meta.nextCursor` of the page before; only with the same filters.
    #[param(min_length = 1, max_length = 512)]
    cursor: Option<String>,
}

/// Where a page ended, as it stands in a cursor.
type Place = (Timestamp, Uuid);

impl App {
    /// The page asked for; a cursor of another list is `invalid_query`.
    pub fn page(&self, list: List<'_>, params: &PageParams) -> Result<Page, ApiError> {
        let read = |cursor: &String| -> Result<Place, ApiError> { self.cursors.read(list, cursor) };
        let after = params.cursor.as_ref().map(read).transpose()?;
        Ok(Page {
            limit: params.limit,
            after: after.map(|(created_at, id)| Cursor { created_at, id }),
        })
    }

    /// A page as an answer.
    pub fn listed<T, W: Serialize>(
        &self,
        list: List<'_>,
        listed: &Listed<T>,
        wire: impl Fn(&T) -> W,
        meta: impl FnOnce(Meta) -> Meta,
    ) -> Result<Rendered, ApiError> {
        let write = |cursor: Cursor| -> Result<String, ApiError> {
            let place: Place = (cursor.created_at, cursor.id);
            self.cursors.write(list, &place)
        };
        let next = listed.next.map(write).transpose()?;
        let items: Vec<W> = listed.items.iter().map(wire).collect();
        Rendered::json(&items, &meta(Meta::page(next)))
    }
}
