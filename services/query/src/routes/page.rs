//! What lists have in common: where a page begins, and the answer.

use api::cursor::List;
use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::input::query::PageParams;
use domain::time::Timestamp;
use read_model::{Cursor, Listed, Page};
use serde::Serialize;
use serde::de::DeserializeOwned;
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

/// Where a page ended, as it stands in the cursor of most lists.
type Place = (Timestamp, Uuid);

impl App {
    /// The page asked for; a cursor of another list is `invalid_query`.
    pub fn page(&self, list: List<'_>, params: &PageParams) -> Result<Page, ApiError> {
        let after: Option<Place> = self.place(list, params)?;
        Ok(Page {
            limit: params.limit,
            after: after.map(|(created_at, id)| Cursor { created_at, id }),
        })
    }

    /// Where the page before ended, in a list that goes by something else than age.
    pub fn place<P: DeserializeOwned>(
        &self,
        list: List<'_>,
        params: &PageParams,
    ) -> Result<Option<P>, ApiError> {
        let read = |cursor: &String| self.cursors.read(list, cursor);
        params.cursor.as_ref().map(read).transpose()
    }

    /// The cursor of what comes after a place, if anything does.
    pub fn next<P: Serialize>(
        &self,
        list: List<'_>,
        place: Option<P>,
    ) -> Result<Option<String>, ApiError> {
        let write = |place: P| self.cursors.write(list, &place);
        place.map(write).transpose()
    }

    /// A page as an answer.
    pub fn listed<T, W: Serialize>(
        &self,
        list: List<'_>,
        listed: &Listed<T>,
        wire: impl Fn(&T) -> W,
        meta: impl FnOnce(Meta) -> Meta,
    ) -> Result<Rendered, ApiError> {
        let place = listed
            .next
            .map(|next| -> Place { (next.created_at, next.id) });
        let next = self.next(list, place)?;
        let items: Vec<W> = listed.items.iter().map(wire).collect();
        Rendered::json(&items, &meta(Meta::page(next)))
    }
}
