//! What becomes of the keys of a person who goes: they are shown, and asked about, first.

use std::fmt::Display;

use api::v1::{ApiKey, KeysOfRemoved, Member};
use uuid::Uuid;

use crate::client::{Path, Refusal};
use crate::form::Fields;
use crate::page::{Errors, Problem};
use crate::routes::people::{People, name_of};
use crate::text;
use crate::visit::Visit;

/// Keys that are shown; of more only their number.
const SHOWN: u16 = 50;

/// What a confirmation shows and asks.
pub struct Departure {
    /// Keys that the person owns; none if the caller may not list keys.
    pub keys: Vec<ApiKey>,
    /// How many they own.
    pub active: u64,
    /// Who could take them over: id and name.
    pub heirs: Vec<(String, String)>,
    /// `keep`, `transfer`, `revoke`, or nothing yet.
    pub chosen: String,
    /// Who is to take them over.
    pub heir: String,
}

impl Departure {
    /// Of a member, as it was filled in.
    pub async fn of(
        visit: &Visit,
        member: &Member,
        people: &People,
        lists_keys: bool,
        fields: &Fields,
    ) -> Result<Self, Problem> {
        let id = member.user_id.as_uuid();
        let keys = if lists_keys {
            let path = Path::v1(&["api-keys"])
                .with("owner_id", id)
                .with("status", "active,rotating")
                .with("limit", SHOWN);
            visit.get::<Vec<ApiKey>>(path).await?.data
        } else {
            Vec::new()
        };
        let others = people.others(id);
        Ok(Self {
            active: member.active_keys.max(keys.len() as u64),
            keys,
            heirs: others
                .map(|heir| (heir.user_id.to_string(), name_of(heir)))
                .collect(),
            chosen: fields.text("keys").to_owned(),
            heir: fields.text("transfer_to").to_owned(),
        })
    }

    /// `3 more`, that are not shown.
    pub fn more(&self) -> Option<String> {
        let more = self.active - self.keys.len() as u64;
        (more > 0).then(|| format!("{} more", text::number(more)))
    }

    /// What is asked.
    pub fn question(&self) -> &'static str {
        match self.active {
            1 => "What becomes of the key?",
            _ => "What becomes of the keys?",
        }
    }

    /// `3 keys`.
    pub fn count(&self) -> String {
        text::plural(self.active, "key")
    }
}

/// The removal of a member, as it was filled in.
pub fn removal(of: impl Display, fields: &Fields) -> Path {
    let keys = fields.some("keys");
    let heir = fields
        .some("transfer_to")
        .filter(|_| keys == Some("transfer"));
    Path::v1(&["members"])
        .join(of)
        .with_some("keys", keys)
        .with_some("transfer_to", heir)
}

/// Why a member stays, or stays what they are; `who` begins a sentence about them.
pub fn errors_of(refusal: &Refusal, who: &str) -> Errors {
    let is_of = |field: &str| {
        refusal
            .issues()
            .iter()
            .any(|issue| issue.path.contains(field))
    };
    match refusal.code.as_str() {
        "last_admin" => Errors::of_form(format!(
            "{who} the only admin, and an organization needs one. Nothing was changed. Make somebody else an admin first."
        )),
        "member_has_keys" => {
            Errors::of_field("keys", "There are live keys. Choose what becomes of them.")
        }
        "invalid_query" if is_of("transfer_to") => {
            Errors::of_field("transfer_to", "Choose who takes the keys over.")
        }
        "not_found" => Errors::of_form(
            "Whoever was to take the keys over, or to go, is no member any more. Nothing was changed.",
        ),
        _ => Errors::of_refusal(refusal),
    }
}

/// What became of the keys; nothing if there were none.
pub fn became(keys: &KeysOfRemoved, people: &People, fields: &Fields) -> String {
    let heir = fields.text("transfer_to").parse::<Uuid>().ok();
    let heir = heir.and_then(|id| people.find(id)).map(name_of);
    sentences(keys, heir.as_deref())
}

fn sentences(keys: &KeysOfRemoved, heir: Option<&str>) -> String {
    let told = |count: usize, what: &str| {
        let verb = if count == 1 { "was" } else { "were" };
        let counted = text::plural(count as u64, "key");
        (count > 0).then(|| format!(" {counted} {verb} {what}."))
    };
    let to = heir.unwrap_or("another member");
    let told = [
        told(keys.revoked.len(), "revoked, and refused everywhere"),
        told(keys.transferred.len(), &format!("transferred to {to}")),
        told(keys.kept.len(), "kept: the organization's own from now on"),
    ];
    told.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use api::v1::KeysOfRemoved;
    use http::StatusCode;
    use serde_json::{Map, json};

    use super::{errors_of, sentences};
    use crate::client::Refusal;

    const ID: &str = "01a22221-e89b-7770-b084-12aacb7f27f2";

    #[test]
    fn what_became_of_the_keys_is_told_by_number() {
        let of = |revoked: &[&str], transferred: &[&str], kept: &[&str]| {
            let keys = json!({"revoked": revoked, "transferred": transferred, "kept": kept});
            serde_json::from_value::<KeysOfRemoved>(keys).expect("keys")
        };
        assert_eq!(sentences(&of(&[], &[], &[]), None), "");
        assert_eq!(
            sentences(&of(&[ID, ID], &[], &[]), None),
            " 2 keys were revoked, and refused everywhere."
        );
        assert_eq!(
            sentences(&of(&[], &[ID], &[]), Some("Ada")),
            " 1 key was transferred to Ada."
        );
        assert_eq!(
            sentences(&of(&[], &[], &[ID]), None),
            " 1 key was kept: the organization's own from now on."
        );
    }

    #[test]
    fn a_refusal_stands_where_it_can_be_mended() {
        let refused = |code: &str, meta: serde_json::Value| Refusal {
            status: StatusCode::CONFLICT,
            code: code.to_owned(),
            message: "no".to_owned(),
            meta: meta.as_object().cloned().unwrap_or_else(Map::new),
            retry_after: None,
            request_id: None,
        };
        let has_keys = errors_of(
            &refused("member_has_keys", json!({"active_keys": 2})),
            "Ada is",
        );
        assert!(has_keys.of("keys").is_some());
        let no_heir = json!({"issues": [{"path": "transfer_to", "message": "is required"}]});
        let no_heir = errors_of(&refused("invalid_query", no_heir), "Ada is");
        assert!(no_heir.of("transfer_to").is_some());
        let last = errors_of(&refused("last_admin", json!({})), "Ada is");
        assert!(
            last.summary()
                .is_some_and(|text| text.starts_with("Ada is the only admin"))
        );
    }
}
