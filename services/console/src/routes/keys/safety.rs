//! `/settings/api-keys/safety`: keys that could be fewer, or do less.

use api::v1::ApiKey;
use askama::Template;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use crate::client::Path;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::text::{self, filters};
use crate::visit::{Signed, Visit};

/// Pages that are read: keys on later ones are not looked through.
const PAGES: u16 = 10;
/// Without use for so long, a key is idle.
const IDLE: TimeDelta = TimeDelta::days(90);
/// So long after it was made, a key should have been used.
const UNUSED: TimeDelta = TimeDelta::days(7);

#[derive(Template)]
#[template(path = "keys/safety.html")]
struct SafetyPage {
    shell: Shell,
    findings: Vec<Finding>,
    looked_at: String,
    is_whole: bool,
}

/// Keys of which the same is to be said.
struct Finding {
    title: &'static str,
    advice: &'static str,
    keys: Vec<ApiKey>,
}

impl Framed for SafetyPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed) -> Result<Response, Problem> {
    let (who, (keys, is_whole)) = tokio::try_join!(visit.who(), live_keys(&visit))?;
    let now = visit.app.clock.now();
    Ok(ok(&SafetyPage {
        shell: Shell::signed(&visit, who, Nav::Keys, "Key safety"),
        looked_at: text::plural(keys.len() as u64, "live key"),
        findings: findings(&keys, now),
        is_whole,
    }))
}

/// All that are accepted, and whether they are all.
async fn live_keys(visit: &Visit) -> Result<(Vec<ApiKey>, bool), Problem> {
    let path = Path::v1(&["api-keys"]).with("status", "active,rotating");
    visit.get_pages(&path, PAGES).await
}

fn findings(keys: &[ApiKey], now: DateTime<Utc>) -> Vec<Finding> {
    let age = |key: &ApiKey| now - key.created_at.datetime();
    let of = |is: &dyn Fn(&ApiKey) -> bool| keys.iter().filter(|key| is(key)).cloned().collect();
    let findings = [
        Finding {
            title: "Never used",
            advice: "Made a week ago or longer, and nothing ever asked with them. Revoke what nobody needs.",
            keys: of(&|key| key.last_used_at.is_none() && age(key) >= UNUSED),
        },
        Finding {
            title: "Idle for 90 days",
            advice: "Whatever used them has stopped. Revoke them before somebody finds them.",
            keys: of(&|key| {
                key.last_used_at
                    .is_some_and(|at| now - at.datetime() >= IDLE)
            }),
        },
        Finding {
            title: "Never expires",
            advice: "A key that leaks works until somebody notices. Give it an end, and rotate it before.",
            keys: of(&|key| key.expires_at.is_none()),
        },
        Finding {
            title: "Scopes unused for 30 days",
            advice: "They may do what they do not do. Take away what is not needed.",
            keys: of(&|key| {
                key.unused_scopes
                    .as_ref()
                    .is_some_and(|unused| !unused.is_empty())
            }),
        },
    ];
    findings
        .into_iter()
        .filter(|finding| !finding.keys.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use api::v1::ApiKey;
    use chrono::{DateTime, TimeDelta, Utc};
    use serde_json::{Value, json};

    use super::findings;

    fn now() -> DateTime<Utc> {
        "2026-06-30T12:00:00Z".parse().expect("an instant")
    }

    fn before(days: i64) -> String {
        (now() - TimeDelta::days(days)).to_rfc3339()
    }

    /// Of which nothing is to be said, but for what the changes make of it.
    fn key(changes: Value) -> ApiKey {
        let mut key = json!({
            "id": "01a22221-e89b-7770-b084-12aacb7f27f2", "name": "Goats", "prefix": "tga_abcd",
            "scopes": ["read"], "status": "active", "owner_id": null, "strict": false,
            "created_by": {"type": "system", "id": null}, "created_at": before(200),
            "last_used_at": before(1), "expires_at": before(-30), "revoked_at": null, "revoked_by": null,
            "rate_limit_per_minute": 60, "ip_allowlist": null, "requests_today": 0,
            "requests_by_day": [0, 0, 0, 0, 0, 0, 0], "unused_scopes": [], "rotation": null, "revocation": null,
        });
        let Value::Object(changes) = changes else {
            panic!("an object");
        };
        key.as_object_mut().expect("an object").extend(changes);
        serde_json::from_value(key).expect("a key")
    }

    #[test]
    fn each_finding_has_its_keys_and_its_limit() {
        for (changes, title) in [
            (json!({"last_used_at": null}), Some("Never used")),
            (json!({"last_used_at": null, "created_at": before(6)}), None),
            (
                json!({"last_used_at": before(90)}),
                Some("Idle for 90 days"),
            ),
            (json!({"last_used_at": before(89)}), None),
            (json!({"expires_at": null}), Some("Never expires")),
            (
                json!({"unused_scopes": ["read"]}),
                Some("Scopes unused for 30 days"),
            ),
            (json!({"unused_scopes": null}), None),
            (json!({}), None),
        ] {
            let keys = [key(changes.clone()), key(json!({}))];
            let found = findings(&keys, now());
            let titles: Vec<_> = found.iter().map(|finding| finding.title).collect();
            assert_eq!(titles, Vec::from_iter(title), "{changes}");
            assert!(
                found.iter().all(|finding| finding.keys.len() == 1),
                "{changes}"
            );
        }
    }
}
