//! All members, to find one and to choose from.

use api::v1::Member;
use uuid::Uuid;

use crate::client::Path;
use crate::page::Problem;
use crate::visit::Visit;

/// Pages of members that are read: those on later ones are not found.
const PAGES: u16 = 10;

/// The members of the org.
pub struct Everyone(Vec<Member>);

impl Everyone {
    /// Reads them.
    pub async fn of(visit: &Visit) -> Result<Self, Problem> {
        let (members, _) = visit.get_pages(&Path::v1(&["members"]), PAGES).await?;
        Ok(Self(members))
    }

    /// One of them.
    pub fn find(&self, id: Uuid) -> Option<&Member> {
        self.0.iter().find(|member| member.user_id.as_uuid() == id)
    }

    /// The name of one of them.
    pub fn name(&self, id: Uuid) -> Option<String> {
        self.find(id).map(name_of)
    }

    /// All but one.
    pub fn others(&self, id: Uuid) -> impl Iterator<Item = &Member> {
        self.0
            .iter()
            .filter(move |member| member.user_id.as_uuid() != id)
    }
}

/// What others call a member.
pub fn name_of(member: &Member) -> String {
    let known = member.name.as_ref().or(member.email.as_ref());
    known.cloned().unwrap_or_else(|| "Nameless".to_owned())
}
