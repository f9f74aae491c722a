//! `/settings/limits`: what the plan allows, how far it is used, and what happens at the end of it.

mod gauge;
mod words;

use api::v1::{LimitAnswer, LimitsAnswer};
use askama::Template;
use axum::response::Response;

use self::gauge::{Gauge, State};
use self::words::{GROUPS, Group};
use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::filters;
use crate::visit::Signed;

#[derive(Template)]
#[template(path = "settings/limits.html")]
struct LimitsPage {
    shell: Shell,
    plan: &'static str,
    groups: Vec<(&'static Group, Vec<Row>)>,
    /// Names of limits that are used up, and of those that nearly are.
    full: Vec<&'static str>,
    nearly: Vec<&'static str>,
}

struct Row {
    limit: LimitAnswer,
    name: &'static str,
    /// What is counted.
    counts: &'static str,
    gauge: Gauge,
    /// What the plan grants, where the operator gave something else.
    plan_value: Option<String>,
}

impl Row {
    fn new(limit: LimitAnswer) -> Self {
        let (name, counts) = words::of(limit.key);
        let plan_value = gauge::value(limit.plan_max, limit.unit);
        Self {
            name,
            counts,
            gauge: Gauge::of(&limit),
            plan_value: limit.override_.map(|_| plan_value),
            limit,
        }
    }
}

impl Framed for LimitsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let limits = visit.get::<LimitsAnswer>(Path::v1(&["limits"]));
    let (who, limits) = tokio::try_join!(visit.who(), limits)?;
    let LimitsAnswer { plan, limits } = limits.data;
    let rows: Vec<_> = limits.into_iter().map(Row::new).collect();
    let named = |is: &dyn Fn(State) -> bool| {
        let rows = rows.iter().filter(|row| is(row.gauge.state));
        rows.map(|row| row.name).collect()
    };
    let full = named(&|state| matches!(state, State::Full | State::Over));
    let nearly = named(&|state| state == State::Nearly);
    let mut groups: Vec<_> = GROUPS.iter().map(|group| (group, Vec::new())).collect();
    for row in rows {
        let group = groups
            .iter_mut()
            .find(|(group, _)| group.units.contains(&row.limit.unit));
        if let Some((_, rows)) = group {
            rows.push(row);
        }
    }
    Ok(ok(&LimitsPage {
        shell: Shell::signed(&visit, who, Nav::Limits, "Plan and limits"),
        plan: plan.name(),
        groups,
        full,
        nearly,
    }))
}
