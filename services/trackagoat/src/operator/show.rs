//! What operator commands print.

use comfy_table::Table;
use command::app::Denial;
use domain::ids::{KeyId, OrgId, UserId};
use domain::org::{Key, Member, Profile};
use domain::plan::{LimitKey, Limits, Plan};
use domain::time::Timestamp;
use gate::Person;

use crate::terminal::{remark, say};

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

/// Remarks that a new key can do nothing, if its org may make no requests.
pub fn useless_key(org: OrgId, limits: &Limits) {
    if let Some(text) = no_requests(org, limits) {
        remark(text);
    }
}

fn no_requests(org: OrgId, limits: &Limits) -> Option<String> {
    let limit_key = LimitKey::MaxApiRequestsPerDay;
    if limits.max(limit_key) != Some(0) {
        return None;
    }
    // The operator's number stands whatever the plan.
    let (because, mend) = if limits.overrides.contains_key(&limit_key) {
        let mend = format!("orgs set-limit {org} {limit_key} <number>");
        ("its own limit".to_owned(), mend)
    } else {
        let mend = format!("orgs set-plan {org} {}", Plan::Starter);
        (format!("plan {}", limits.plan), mend)
    };
    Some(format!(
        "warning: the key cannot call yet: {limit_key} of the org is 0 by {because}; mend with: trackagoat {mend}"
    ))
}

/// Prints what a limit is now.
pub fn limit(limit_key: LimitKey, limits: &Limits) {
    let max = limits.max(limit_key);
    let max = max.map_or_else(|| "unlimited".to_owned(), |max| max.to_string());
    say(format_args!("{limit_key}={max}"));
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

/// Prints members; of who was erased an id is left.
pub fn members(members: &[(UserId, Member, Option<Person>)]) {
    let mut table = table(["person", "name", "e-mail", "role", "joined"]);
    for (id, member, person) in members {
        let person = person.clone();
        let (name, email) = person.map(|it| (it.name, it.email)).unwrap_or_default();
        table.add_row([
            id.to_string(),
            name,
            email,
            member.role.name().to_owned(),
            member.joined_at.to_string(),
        ]);
    }
    say(table);
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.set_header(header);
    table
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::OrgId;
    use domain::plan::{LimitKey, Limits, Plan};

    use super::no_requests;

    #[test]
    fn a_key_that_cannot_call_is_told_with_what_mends_it() {
        let org: OrgId = "00000000-0000-7000-8000-000000000000".parse().unwrap();
        let told = |limits: &Limits| no_requests(org, limits);
        let free = told(&Limits::of(Plan::Free)).unwrap();
        let mend = format!("trackagoat orgs set-plan {org} starter");
        assert!(
            free.contains("plan free") && free.ends_with(&mend),
            "{free}"
        );
        assert_eq!(told(&Limits::of(Plan::Starter)), None);

        let key = LimitKey::MaxApiRequestsPerDay;
        let mut limits = Limits::of(Plan::Ultra);
        limits.overrides.insert(key, 0);
        let shut = told(&limits).unwrap();
        assert!(shut.contains(&format!("set-limit {org} {key}")), "{shut}");
        limits.plan = Plan::Free;
        limits.overrides.insert(key, 10);
        assert_eq!(told(&limits), None);
    }
}
