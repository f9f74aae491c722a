//! `/settings/api-keys`: the org's keys.

use api::v1::{ApiKey, Scope};
use askama::Template;
use axum::response::Response;

use super::week;
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::address::Parameters;
use crate::routes::choice::Choice;
use crate::routes::list::List;
use crate::routes::people::People;
use crate::text::filters;
use crate::visit::Signed;

const SHOW: &str = "show";

/// Which are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Live,
    Ended,
    All,
}

impl Which {
    const EACH: [Self; 3] = [Self::Live, Self::Ended, Self::All];

    /// As addresses call it.
    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::All => "all",
        }
    }

    /// As people read it.
    const fn label(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Ended => "Revoked and expired",
            Self::All => "All",
        }
    }

    /// As the API takes it.
    const fn statuses(self) -> &'static str {
        match self {
            Self::Live => "active,rotating",
            Self::Ended => "expired,revoked",
            Self::All => "active,rotating,expired,revoked",
        }
    }
}

#[derive(Template)]
#[template(path = "keys/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<Row>,
    which: Which,
    list: List,
    may_make: bool,
    example: String,
    /// What is to be changed in it.
    address_help: Option<String>,
}

struct Row {
    key: ApiKey,
    maker: String,
    week: String,
    is_live: bool,
}

impl ListPage {
    fn tabs(&self) -> Vec<Choice> {
        let each = Which::EACH.map(|which| (which.name(), which.label()));
        self.list.tabs(SHOW, each, self.which.name())
    }
}

impl Framed for ListPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, asked: Parameters) -> Result<Response, Problem> {
    let mut which = Which::EACH.into_iter();
    let which = which.find(|which| which.name() == asked.get(SHOW));
    let which = which.unwrap_or(Which::Live);
    let list = List::new("/settings/api-keys", &asked, &["search"]).keeping(SHOW, which.name());
    let path = list.path(Path::v1(&["api-keys"]).with("status", which.statuses()));
    let keys = visit.get::<Vec<ApiKey>>(path);
    let (who, keys, people) = tokio::try_join!(visit.who(), keys, People::of(&visit))?;
    let list = list.answered(&keys);
    let people = people.with_keys(&keys.data);
    let today = visit.app.clock.now().date_naive();
    let rows = keys.data.into_iter().map(|key| Row {
        maker: people.actor(&key.created_by),
        week: week(&key, today).render().unwrap_or_default(),
        is_live: super::show::is_live(&key),
        key,
    });
    Ok(ok(&ListPage {
        may_make: who.may(Scope::Keys),
        address_help: super::address_help(&visit),
        example: super::secret::curl(&super::secret::api_base(&visit), "/orgs/self"),
        shell: Shell::signed(&visit, who, Nav::Keys, "API keys"),
        rows: rows.collect(),
        which,
        list,
    }))
}
