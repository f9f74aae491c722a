//! What operator commands print.

use comfy_table::Table;
use command::app::Denial;
use domain::ids::{KeyId, OrgId};
use domain::org::{Key, Profile};
use domain::time::Timestamp;

use crate::terminal::say;

/// Says that a denial is in force, where one was waited for.
pub fn denial(denial: Option<&Denial>) {
    let Some(settled) = denial.and_then(|denial| denial.settled.as_ref()) else {
        return;
    };
    let barrier = &settled.barrier;
    say(format_args!(
        "in force everywhere since {} (position {}, {} replicas)",
        settled.effective_at,
        settled.position,
        barrier.replicas.len()
    ));
}

/// Prints orgs.
pub fn orgs(orgs: &[(OrgId, Profile)]) {
    let mut table = table([
        "org",
        "name",
        "plan",
        "timezone",
        "suspended",
        "limits raised or lowered",
    ]);
    for (id, profile) in orgs {
        let limits = profile.limits.overrides.iter();
        let limits: Vec<_> = limits
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        table.add_row([
            id.to_string(),
            profile.name.as_str().to_owned(),
            profile.limits.plan.to_string(),
            profile.timezone.clone(),
            profile.suspended.to_string(),
            limits.join("\n"),
        ]);
    }
    say(table);
}

/// Prints keys, never a secret.
pub fn keys<'a>(keys: impl Iterator<Item = (&'a KeyId, &'a Key)>, now: Timestamp) {
    let mut table = table([
        "key",
        "name",
        "prefix",
        "status",
        "scopes",
        "per minute",
        "ends",
    ]);
    for (id, key) in keys {
        let scopes: Vec<_> = key.scopes.iter().map(domain::scope::Scope::name).collect();
        table.add_row([
            id.to_string(),
            key.name.as_str().to_owned(),
            key.prefix.clone(),
            format!("{:?}", key.status(now)).to_lowercase(),
            scopes.join(" "),
            key.rate_limit_per_minute.to_string(),
            key.ends_at()
                .map_or_else(|| "never".to_owned(), |end| end.to_string()),
        ]);
    }
    say(table);
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    table
}
