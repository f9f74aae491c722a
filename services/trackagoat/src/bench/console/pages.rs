//! Which pages there are: those that links lead to, from the first on.

use std::collections::{BTreeSet, VecDeque};

use super::browser::{Browser, Found};
use crate::bench::error::BenchError;

/// Where somebody who signs in comes to.
const FIRST: &str = "/projects";
/// What the paths of assets begin with.
const ASSETS: &str = "/assets/";

/// An address that answers with a page.
pub struct Page {
    pub path: String,
    /// Style, scripts and pictures that it names.
    pub assets: BTreeSet<String>,
}

/// One page of each kind, whatever ids and filters its address has.
pub async fn find(browser: &Browser, cookie: &str) -> Result<Vec<Page>, BenchError> {
    let mut waiting = VecDeque::from([FIRST.to_owned()]);
    let mut known = BTreeSet::new();
    let mut pages = Vec::new();
    while let Some(path) = waiting.pop_front() {
        if !known.insert(kind(&path)) {
            continue;
        }
        match browser.find(&path, cookie).await? {
            Found::Page(text) => {
                waiting.extend(links(&text));
                let assets = assets(&text);
                pages.push(Page { path, assets });
            }
            Found::Elsewhere(place) => waiting.extend(place_of(&place)),
            Found::File => {}
        }
    }
    Ok(pages)
}

/// A page's path without what differs from one thing to the next.
pub fn kind(path: &str) -> String {
    let is_id = |part: &str| {
        part.len() == 36 || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let parts = path.split('/');
    let parts = parts.map(|part| if is_id(part) { "{id}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn assets(page: &str) -> BTreeSet<String> {
    let parts = page.split('"').filter(|part| part.starts_with(ASSETS));
    parts.map(ToOwned::to_owned).collect()
}

/// Pages of the same host that a page leads to; what is asked of them is left out.
fn links(page: &str) -> impl Iterator<Item = String> {
    let parts = page.split(" href=\"").skip(1);
    parts.filter_map(|part| place_of(part.split('"').next()?))
}

fn place_of(href: &str) -> Option<String> {
    let path = href.split(['?', '#']).next()?;
    let is_ours = path.starts_with('/') && !path.starts_with("//") && !path.starts_with(ASSETS);
    is_ours.then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{kind, links};

    #[test]
    fn links_are_followed_to_pages_of_the_same_host() {
        let page = r##"<link href="/assets/a.css"><a href="/audit?type=a&amp;b">A</a><a class="b" href="/orgs#main">
            <a href="#main"><a href="https://example.com/"><a href="//example.com/"><b data-href="/no">"##;
        let found: Vec<_> = links(page).collect();
        assert_eq!(found, ["/audit", "/orgs"]);
    }

    #[test]
    fn a_kind_of_page_has_no_ids() {
        let id = "01a22221-e89b-7770-b084-12aacb7f27f2";
        assert_eq!(kind(&format!("/creators/{id}")), "/creators/{id}");
        assert_eq!(kind("/audit/events/12"), "/audit/events/{id}");
        assert_eq!(kind("/settings/api-keys"), "/settings/api-keys");
    }
}
