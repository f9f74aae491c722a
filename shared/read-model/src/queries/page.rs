//! Pages, newest first by (`created_at`, id): nothing is skipped or shown twice however much is
//! written meanwhile.

use chrono::{DateTime, Utc};
use domain::limits::PAGE_DEFAULT;
use domain::time::Timestamp;
use uuid::Uuid;

/// Where the page before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When the last item was created.
    pub created_at: Timestamp,
    /// Its id.
    pub id: Uuid,
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Most items.
    pub limit: u16,
    /// The page begins after this; `None` is the first page.
    pub after: Option<Cursor>,
}

/// The items of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            limit: PAGE_DEFAULT,
            after: None,
        }
    }
}

impl Page {
    /// The page of items that are all at hand, in no order.
    pub fn cut<T>(self, mut items: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Listed<T> {
        let place = |item: &T| {
            let at = cursor(item);
            (at.created_at, at.id)
        };
        if let Some(after) = self.after {
            items.retain(|item| place(item) < (after.created_at, after.id));
        }
        items.sort_unstable_by_key(|item| std::cmp::Reverse(place(item)));
        self.listed(items, cursor)
    }

    /// One more than asked for: whether there is a next page.
    pub(super) fn fetched(self) -> i64 {
        i64::from(self.limit) + 1
    }

    pub(super) fn after_created_at(self) -> Option<DateTime<Utc>> {
        self.after.map(|cursor| cursor.created_at.datetime())
    }

    pub(super) fn after_id(self) -> Option<Uuid> {
        self.after.map(|cursor| cursor.id)
    }

    /// Cuts off the one more.
    pub(super) fn listed<T>(self, mut items: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Listed<T> {
        let limit = usize::from(self.limit);
        let next = (items.len() > limit).then(|| items.get(limit.wrapping_sub(1)).map(cursor));
        items.truncate(limit);
        Listed {
            items,
            next: next.flatten(),
        }
    }
}
