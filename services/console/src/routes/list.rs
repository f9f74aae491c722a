//! What all lists have in common: pages, a search and filters, all of which stand in the address. Their
//! looks are in `templates/lists.html`.

use api::limits::{PAGE_DEFAULT, SEARCH_CHARS};

use super::address::{Parameters, filled, link};
use super::choice::Choice;
use crate::client::{Answer, Path};
use crate::text;

/// The filter that is typed.
pub const SEARCH: &str = "search";
const CURSOR: &str = "cursor";

/// Which part of a list is shown.
#[derive(Debug, Clone)]
pub struct List {
    place: String,
    /// Which part of its page it is.
    part: &'static str,
    /// What other parts of the page show; it narrows nothing here.
    kept: Vec<(&'static str, String)>,
    filters: Vec<(&'static str, String)>,
    cursor: String,
    next: Option<String>,
    /// Rows of a page.
    rows: u16,
    /// Most characters that a search takes.
    pub search_chars: usize,
}

impl List {
    /// What is asked for of the list at `place`, whose filters the page and the API call the same.
    pub fn new(place: impl Into<String>, asked: &Parameters, filters: &[&'static str]) -> Self {
        let filters = filters
            .iter()
            .map(|name| (*name, asked.get(name).to_owned()));
        Self {
            place: place.into(),
            part: "",
            kept: Vec::new(),
            filters: filters.collect(),
            cursor: asked.get(CURSOR).to_owned(),
            next: None,
            rows: PAGE_DEFAULT,
            search_chars: SEARCH_CHARS,
        }
    }

    /// With so many rows on a page.
    #[must_use]
    pub fn in_pages_of(mut self, rows: u16) -> Self {
        self.rows = rows;
        self
    }

    /// With something that stays in the address whatever is filtered, in place of what it was before.
    #[must_use]
    pub fn keeping(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.kept.retain(|(of, _)| *of != name);
        self.kept.push((name, value.into()));
        self
    }

    /// Which is a part of a page, with this id.
    #[must_use]
    pub fn at(mut self, part: &'static str) -> Self {
        self.part = part;
        self
    }

    /// The page of it in the API.
    pub fn path(&self, path: Path) -> Path {
        let path = path
            .with("limit", self.rows)
            .with_some(CURSOR, filled(&self.cursor));
        let filters = self.filters.iter();
        filters.fold(path, |path, (name, value)| {
            path.with_some(name, filled(value))
        })
    }

    /// With what the API answered: where the next page begins.
    #[must_use]
    pub fn answered<T>(mut self, answer: &Answer<T>) -> Self {
        self.next.clone_from(&answer.next_cursor);
        self
    }

    /// What a filter has.
    pub fn get(&self, name: &str) -> &str {
        let found = self.filters.iter().find(|(of, _)| *of == name);
        found.map_or("", |(_, value)| value)
    }

    /// What is searched for.
    pub fn search(&self) -> &str {
        self.get(SEARCH)
    }

    /// Whether something is filtered out.
    pub fn is_narrowed(&self) -> bool {
        self.filters.iter().any(|(_, value)| !value.is_empty())
    }

    /// Whether it is shown from its beginning.
    pub fn is_first(&self) -> bool {
        self.cursor.is_empty()
    }

    /// Where its form leads.
    pub fn place(&self) -> String {
        self.to_part(self.place.clone())
    }

    /// What its form sends beside its fields.
    pub fn kept(&self) -> &[(&'static str, String)] {
        &self.kept
    }

    /// This page of it.
    pub fn here(&self) -> String {
        self.link(&self.filters, &self.cursor)
    }

    /// Its first page.
    pub fn first(&self) -> String {
        self.link(&self.filters, "")
    }

    /// The page after this one, if there is one.
    pub fn next(&self) -> Option<String> {
        let next = self.next.as_deref()?;
        Some(self.link(&self.filters, next))
    }

    /// All of it.
    pub fn whole(&self) -> String {
        self.link(&[], "")
    }

    /// Its first page with each of these in place of what is kept, by value and label, to go from one to another;
    /// chosen is the one that is shown.
    pub fn tabs<'a>(
        &self,
        name: &'static str,
        of: impl IntoIterator<Item = (&'a str, &'a str)>,
        shown: &str,
    ) -> Vec<Choice> {
        let of = of.into_iter();
        of.map(|(value, label)| Choice {
            value: self.clone().keeping(name, value).first(),
            label: label.to_owned(),
            is_chosen: value == shown,
        })
        .collect()
    }

    /// Its first page, with another value of a filter.
    pub fn with(&self, name: &str, value: &str) -> String {
        let mut filters = self.filters.clone();
        for filter in filters.iter_mut().filter(|(of, _)| *of == name) {
            value.clone_into(&mut filter.1);
        }
        self.link(&filters, "")
    }

    /// How many rows are shown: all that there are, or those of a page.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "how askama calls methods"
    )]
    pub fn count(&self, rows: &usize, noun: &str) -> String {
        let count = u64::try_from(*rows).unwrap_or(u64::MAX);
        let count = text::plural(count, noun);
        match (self.is_first(), self.next.is_some()) {
            (true, false) => count,
            (true, true) => format!("first {count}"),
            (false, true) => format!("next {count}"),
            (false, false) => format!("last {count}"),
        }
    }

    fn link(&self, filters: &[(&'static str, String)], cursor: &str) -> String {
        let parameters = self.kept.iter().chain(filters);
        let parameters = parameters.map(|(name, value)| (*name, value.as_str()));
        self.to_part(link(&self.place, parameters.chain([(CURSOR, cursor)])))
    }

    fn to_part(&self, page: String) -> String {
        match self.part {
            "" => page,
            part => format!("{page}#{part}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::List;
    use crate::client::{Answer, Path};
    use crate::routes::address::Parameters;

    fn list(query: &str) -> List {
        let asked = Parameters::parse(query);
        List::new("/x", &asked, &["search", "status"]).keeping("tab", "a b")
    }

    fn answer(next: Option<&str>) -> Answer<()> {
        Answer {
            data: (),
            next_cursor: next.map(ToOwned::to_owned),
            position: None,
            is_replay: false,
        }
    }

    #[test]
    fn every_page_of_a_list_has_an_address_with_its_filters() {
        let list = list("search=+goat&status=&cursor=c1&other=x").answered(&answer(Some("c2")));
        for (address, expected) in [
            (list.here(), "/x?tab=a+b&search=goat&cursor=c1"),
            (list.first(), "/x?tab=a+b&search=goat"),
            (list.whole(), "/x?tab=a+b"),
            (
                list.with("status", "active"),
                "/x?tab=a+b&search=goat&status=active",
            ),
            (list.with("search", ""), "/x?tab=a+b"),
        ] {
            assert_eq!(address, expected);
        }
        assert_eq!(
            list.next().as_deref(),
            Some("/x?tab=a+b&search=goat&cursor=c2")
        );
        assert_eq!(list.answered(&answer(None)).next(), None);
    }

    #[test]
    fn one_goes_from_tab_to_tab_with_what_is_searched_for() {
        let list = list("search=goat&cursor=c1");
        let tabs = list.tabs("tab", [("a b", "Both"), ("c", "One")], "c");
        let tabs: Vec<_> = tabs
            .iter()
            .map(|tab| (&*tab.value, &*tab.label, tab.is_chosen))
            .collect();
        let expected = [
            ("/x?tab=a+b&search=goat", "Both", false),
            ("/x?tab=c&search=goat", "One", true),
        ];
        assert_eq!(tabs, expected);
    }

    #[test]
    fn the_api_is_asked_for_the_same_page_and_not_for_what_is_kept() {
        let base = "http://api/".parse().expect("a base");
        let path = list("search=goat&cursor=c1").in_pages_of(20);
        let path = path.path(Path::v1(&["x"])).at(&base);
        assert_eq!(path.query(), Some("limit=20&cursor=c1&search=goat"));
    }

    #[test]
    fn what_is_shown_is_counted() {
        let count = |query, next| list(query).answered(&answer(next)).count(&2, "key");
        assert_eq!(count("", None), "2 keys");
        assert_eq!(count("", Some("n")), "first 2 keys");
        assert_eq!(count("cursor=c", Some("n")), "next 2 keys");
        assert_eq!(count("cursor=c", None), "last 2 keys");
        assert!(!list("cursor=c&status=").is_narrowed());
        assert!(list("status=x").is_narrowed() && !list("cursor=c").is_first());
    }
}
